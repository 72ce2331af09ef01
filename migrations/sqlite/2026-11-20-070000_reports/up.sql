-- What people told the administrators of: a person, or a message.
CREATE TABLE reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    reporter_id BIGINT NOT NULL REFERENCES users (id),
    user_id BIGINT REFERENCES users (id),
    message_id BIGINT REFERENCES messages (id),
    reason TEXT NOT NULL CHECK (length(reason) <= 1000),
    created_at BIGINT NOT NULL,
    UNIQUE (reporter_id, user_id),
    UNIQUE (reporter_id, message_id),
    CHECK ((user_id IS NULL) <> (message_id IS NULL))
);
CREATE INDEX reports_by_reporter ON reports (reporter_id, id);
