-- How far messages are indexed, and by which version of the terms. What lies
-- after it is searched by reading it.
CREATE TABLE search_progress (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL,
    indexed_upto BIGINT NOT NULL
);
INSERT INTO search_progress (id, version, indexed_upto) VALUES (1, 0, 0);

-- The terms of each message, by its id, without positions. They come as an
-- array, so that no parser has a say in them.
CREATE TABLE message_terms (
    message_id BIGINT PRIMARY KEY REFERENCES messages (id),
    terms TSVECTOR NOT NULL
);
CREATE INDEX message_terms_by_term ON message_terms USING gin (terms);
