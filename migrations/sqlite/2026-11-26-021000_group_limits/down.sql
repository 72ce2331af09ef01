DROP INDEX users_with_groups_due;
ALTER TABLE users DROP COLUMN groups_due_at;
DROP TABLE quotas;
DROP TABLE declined_adders;
ALTER TABLE participants DROP COLUMN added_by;
