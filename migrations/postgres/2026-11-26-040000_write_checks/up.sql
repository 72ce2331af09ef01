-- One row, written to find out whether the database takes writes.
CREATE TABLE write_checks (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    checked_at BIGINT NOT NULL
);
INSERT INTO write_checks (id, checked_at) VALUES (1, 0);
