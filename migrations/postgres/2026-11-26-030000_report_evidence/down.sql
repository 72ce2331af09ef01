DROP INDEX reports_with_evidence;
ALTER TABLE reports DROP COLUMN evidence;
