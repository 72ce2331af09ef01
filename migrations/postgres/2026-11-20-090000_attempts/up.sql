-- What nobody may try too often: each attempt takes one of so many places, and
-- leaves it at `free_at`. The bucket says of what and by whom, as a SHA-256.
CREATE TABLE attempts (
    bucket BYTEA NOT NULL CHECK (octet_length(bucket) = 32),
    place BIGINT NOT NULL,
    free_at BIGINT NOT NULL,
    PRIMARY KEY (bucket, place)
);
CREATE INDEX attempts_by_end ON attempts (free_at);
