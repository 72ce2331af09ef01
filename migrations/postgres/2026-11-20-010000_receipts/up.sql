-- When a shared position moved: one row for each move, not for each message. A
-- message was read at the first mark of kind 'read' that is not before it.
CREATE TABLE receipt_marks (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL CHECK (kind IN ('delivered', 'read')),
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, user_id, kind, seq)
);
