-- What a person is found by: the username (kind 0), the first word of the display
-- name (1), other words (2). Folded by `search`; people who cannot be found have
-- none. In the order of code points, so that beginnings are found by range.
CREATE TABLE user_words (
    kind BIGINT NOT NULL CHECK (kind BETWEEN 0 AND 2),
    word TEXT NOT NULL CHECK (length(word) <= 64),
    user_id BIGINT NOT NULL REFERENCES users (id),
    PRIMARY KEY (kind, word, user_id)
) WITHOUT ROWID;
CREATE INDEX user_words_by_user ON user_words (user_id, word, kind);

-- One row: by which version of the words, and up to which user, the table was
-- filled. The hub fills it at its start.
CREATE TABLE user_words_progress (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    version BIGINT NOT NULL,
    filled_upto BIGINT NOT NULL
);
INSERT INTO user_words_progress (id, version, filled_upto) VALUES (1, 0, 0);

DROP TABLE user_terms;
