-- How far messages are indexed, and by which version of the terms. What lies
-- after it is searched by reading it.
CREATE TABLE search_progress (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    version BIGINT NOT NULL,
    indexed_upto BIGINT NOT NULL
);
INSERT INTO search_progress (id, version, indexed_upto) VALUES (1, 0, 0);

-- The terms of each message, by its id. They come as single tokens, in small
-- ASCII letters and what is not ASCII, which this tokenizer leaves alone. Texts
-- are not kept twice, and positions not at all.
CREATE VIRTUAL TABLE message_terms USING fts5 (
    terms,
    content = '',
    contentless_delete = 1,
    detail = none,
    tokenize = 'ascii'
);
