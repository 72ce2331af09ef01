-- The text of a reported message, or the names of a reported person, as it was
-- when it was reported. Null: erased, or reported before this was kept.
ALTER TABLE reports ADD COLUMN evidence TEXT;
CREATE INDEX reports_with_evidence ON reports (created_at) WHERE evidence IS NOT NULL;
