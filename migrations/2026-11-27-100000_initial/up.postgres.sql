-- The terms of each message, without positions. The hub makes the terms, and no
-- parser of the database reads them.
CREATE TABLE message_terms (
    message_id BIGINT PRIMARY KEY REFERENCES messages (id),
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    terms TSVECTOR NOT NULL
);
CREATE INDEX message_terms_by_term ON message_terms USING gin (terms);

CREATE FUNCTION note_revoked_login() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocations (user_id, login_id) VALUES (OLD.user_id, OLD.id);
    RETURN NULL;
END $$;
CREATE TRIGGER login_revoked AFTER DELETE ON logins
    FOR EACH ROW EXECUTE FUNCTION note_revoked_login();
CREATE FUNCTION note_revoked_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocations (user_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER account_revoked AFTER UPDATE OF disabled_at, deleted_at ON users
    FOR EACH ROW WHEN (NEW.disabled_at IS NOT NULL OR NEW.deleted_at IS NOT NULL)
    EXECUTE FUNCTION note_revoked_account();
