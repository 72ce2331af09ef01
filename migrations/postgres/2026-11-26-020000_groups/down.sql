ALTER TABLE users DROP COLUMN group_count;
ALTER TABLE conversations DROP COLUMN member_count;
