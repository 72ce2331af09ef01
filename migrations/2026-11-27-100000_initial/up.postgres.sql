-- The terms of each message, without positions. The hub makes the terms, and no
-- parser of the database reads them.
CREATE TABLE message_terms (
    message_id BIGINT PRIMARY KEY REFERENCES messages (id),
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    terms TSVECTOR NOT NULL
);
CREATE INDEX message_terms_by_term ON message_terms USING gin (terms);
