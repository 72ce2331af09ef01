-- Who brought this person into the group; null: nobody, or it was not recorded.
ALTER TABLE participants ADD COLUMN added_by BIGINT;

-- A person left a group that a stranger had brought them into: that stranger
-- brings them into none again.
CREATE TABLE declined_adders (
    user_id BIGINT NOT NULL REFERENCES users (id),
    adder_id BIGINT NOT NULL REFERENCES users (id),
    declined_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, adder_id)
);

-- What a person used of a daily quota, and when.
CREATE TABLE quotas (
    user_id BIGINT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL CHECK (kind IN ('groups', 'strangers')),
    at BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (user_id, kind, at)
);
CREATE INDEX quotas_by_time ON quotas (at);

-- Since when groups of a closed account are still to be left, or groups of a
-- disabled one to get another owner: a job does it in portions.
ALTER TABLE users ADD COLUMN groups_due_at BIGINT;
CREATE INDEX users_with_groups_due ON users (groups_due_at) WHERE groups_due_at IS NOT NULL;
-- Accounts that were disabled before still have the groups that they alone own.
UPDATE users SET groups_due_at = 0 WHERE disabled_at IS NOT NULL;
