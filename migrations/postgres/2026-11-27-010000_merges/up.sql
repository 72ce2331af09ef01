-- Postgres merges its index by itself, beside those who write.
SELECT 1;
