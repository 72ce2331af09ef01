-- What opens one socket, once, within seconds. The ticket itself is not stored.
CREATE TABLE tickets (
    ticket_hash BLOB PRIMARY KEY NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id),
    -- of whoever made it; null: another system vouched for them
    login_id BIGINT,
    -- when the token it was made with ends, and the socket with it
    token_expires_at BIGINT,
    expires_at BIGINT NOT NULL
);
CREATE INDEX tickets_by_expiry ON tickets (expires_at);
