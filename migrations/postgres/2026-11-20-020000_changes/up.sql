-- Messages that a person deleted for themselves alone.
CREATE TABLE hidden_messages (
    user_id BIGINT NOT NULL REFERENCES users (id),
    message_id BIGINT NOT NULL REFERENCES messages (id),
    -- the user's me that hid it
    me BIGINT NOT NULL,
    PRIMARY KEY (user_id, message_id)
);
CREATE INDEX hidden_messages_by_me ON hidden_messages (user_id, me);

-- Who reacted to a message with what; the first to do so comes first.
CREATE TABLE reactions (
    message_id BIGINT NOT NULL REFERENCES messages (id),
    emoji TEXT NOT NULL CHECK (length(emoji) <= 32),
    user_id BIGINT NOT NULL REFERENCES users (id),
    -- the conversation's rev that set it
    rev BIGINT NOT NULL,
    PRIMARY KEY (message_id, emoji, user_id)
);
CREATE INDEX reactions_in_order ON reactions (message_id, emoji, rev);
