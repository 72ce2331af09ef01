-- Moves of shared positions in groups that are committed and not told yet. The
-- moves of some 100 ms are told together, under one rev.
CREATE TABLE pending_receipts (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    delivered_seq BIGINT NOT NULL,
    read_seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
);

-- Old marks are deleted by their time.
CREATE INDEX receipt_marks_by_time ON receipt_marks (at);

-- Marks of messages that were sent before this are incomplete.
CREATE TABLE receipt_times (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    kept_from BIGINT NOT NULL
);
INSERT INTO receipt_times (id, kept_from) VALUES (1, 0);
