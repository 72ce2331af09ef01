-- Each start of a hub, and how many transactions it committed. The hub keeps its
-- own count outside of the database: a database that has fewer is a restored backup.
CREATE TABLE hub_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- random, so that no two histories have the same
    nonce TEXT NOT NULL UNIQUE CHECK (length(nonce) = 32),
    started_at BIGINT NOT NULL,
    commits BIGINT NOT NULL DEFAULT 0
);
