DROP TABLE user_words_progress;
DROP TABLE user_words;
CREATE TABLE user_terms (
    term TEXT NOT NULL CHECK (length(term) <= 64),
    user_id BIGINT NOT NULL REFERENCES users (id),
    PRIMARY KEY (term, user_id)
);
CREATE INDEX user_terms_by_user ON user_terms (user_id);
