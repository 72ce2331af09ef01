-- The terms of each message, by its id. A term is one token: lower-case ASCII
-- letters, digits, and characters outside ASCII, which this tokenizer leaves as
-- they are. One term names the conversation. The index keeps neither texts nor positions.
CREATE VIRTUAL TABLE message_terms USING fts5 (
    terms,
    content = '',
    contentless_delete = 1,
    detail = none,
    tokenize = 'ascii'
);
-- The hub merges a few pages of the index at a time. Without this, SQLite merges
-- hundreds of pages in one transaction.
INSERT INTO message_terms (message_terms, rank) VALUES ('automerge', 0);

CREATE TRIGGER login_revoked AFTER DELETE ON logins BEGIN
    INSERT INTO revocations (user_id, login_id) VALUES (OLD.user_id, OLD.id);
END;
CREATE TRIGGER account_revoked AFTER UPDATE OF disabled_at, deleted_at ON users
WHEN NEW.disabled_at IS NOT NULL OR NEW.deleted_at IS NOT NULL BEGIN
    INSERT INTO revocations (user_id) VALUES (NEW.id);
END;
