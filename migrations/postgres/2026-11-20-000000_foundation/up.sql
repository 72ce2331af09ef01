-- Ids are never used again (identity columns). Times are milliseconds since
-- 1970, UTC. Users and messages are never deleted as rows. The SQLite tree
-- beside this one makes the same schema; a test compares the two.

-- One row: the identity of this history. A restored backup gets a new epoch.
CREATE TABLE hub (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE users (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username TEXT NOT NULL CHECK (length(username) <= 32),
    -- lower case: what makes a username unique
    username_key TEXT NOT NULL UNIQUE CHECK (length(username_key) <= 32),
    display_name TEXT NOT NULL CHECK (length(display_name) <= 64),
    email TEXT CHECK (length(email) <= 254),
    -- null: cannot log in with a password
    password_hash TEXT,
    -- a user that another system vouches for
    external_issuer TEXT CHECK (length(external_issuer) <= 255),
    external_subject TEXT CHECK (length(external_subject) <= 255),
    kind TEXT NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'bot')),
    role TEXT NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
    -- number of the last change that this user alone sees
    me BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT,
    disabled_at BIGINT,
    deleted_at BIGINT,
    UNIQUE (external_issuer, external_subject)
);

-- What a person is found by: the username and each word of the display name.
CREATE TABLE user_terms (
    -- compared byte by byte, as SQLite does: a prefix is a range
    term TEXT COLLATE "C" NOT NULL CHECK (length(term) <= 64),
    user_id BIGINT NOT NULL REFERENCES users (id),
    PRIMARY KEY (term, user_id)
);
CREATE INDEX user_terms_by_user ON user_terms (user_id);

-- One row for each device that is logged in; the cookie itself is not stored.
CREATE TABLE logins (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    token_hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    user_agent TEXT CHECK (length(user_agent) <= 256),
    ip TEXT CHECK (length(ip) <= 45)
);
CREATE INDEX logins_by_user ON logins (user_id);

CREATE TABLE conversations (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('direct', 'group')),
    title TEXT CHECK (length(title) <= 128),
    platform TEXT NOT NULL DEFAULT 'chat' CHECK (length(platform) <= 32),
    -- the pair of a direct conversation; null in a group
    user_low BIGINT REFERENCES users (id),
    user_high BIGINT REFERENCES users (id),
    created_by BIGINT NOT NULL REFERENCES users (id),
    client_id TEXT CHECK (length(client_id) <= 64),
    created_at BIGINT NOT NULL,
    -- time of the last message, or of the creation; never goes back
    active_at BIGINT NOT NULL,
    first_seq BIGINT NOT NULL DEFAULT 1,
    last_seq BIGINT NOT NULL DEFAULT 0,
    rev BIGINT NOT NULL DEFAULT 0,
    UNIQUE (user_low, user_high),
    UNIQUE (created_by, client_id),
    CHECK (user_low < user_high),
    CHECK ((kind = 'direct') = (user_low IS NOT NULL AND user_high IS NOT NULL))
);

CREATE TABLE participants (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    -- null: left
    role TEXT CHECK (role IN ('owner', 'admin', 'member')),
    joined_at BIGINT NOT NULL,
    has_written BOOLEAN NOT NULL DEFAULT FALSE,
    visible_from_seq BIGINT NOT NULL DEFAULT 1,
    cleared_seq BIGINT NOT NULL DEFAULT 0,
    -- positions everybody in the conversation sees
    delivered_seq BIGINT NOT NULL DEFAULT 0,
    delivered_at BIGINT,
    read_seq BIGINT NOT NULL DEFAULT 0,
    read_at BIGINT,
    -- positions the user alone sees; never behind the shared ones
    own_delivered_seq BIGINT NOT NULL DEFAULT 0,
    own_read_seq BIGINT NOT NULL DEFAULT 0,
    -- the conversation's rev that last changed what everybody sees
    rev BIGINT NOT NULL,
    -- the user's me that last changed what the user alone sees
    me BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation_id, user_id)
);
CREATE INDEX participants_by_user ON participants (user_id, conversation_id);
CREATE INDEX participants_by_rev ON participants (conversation_id, rev);
CREATE INDEX participants_by_me ON participants (user_id, me);

CREATE TABLE messages (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    seq BIGINT NOT NULL,
    rev BIGINT NOT NULL,
    sender_id BIGINT NOT NULL REFERENCES users (id),
    content TEXT NOT NULL,
    message_type TEXT NOT NULL DEFAULT 'text'
        CHECK (message_type IN ('text', 'system', 'image', 'file', 'voice')),
    client_message_id TEXT CHECK (length(client_message_id) <= 64),
    -- SHA-256 of the content as first sent, kept when the content changes, so
    -- that a late retry can still be told from a conflict
    first_content_hash BYTEA,
    reply_to_id BIGINT REFERENCES messages (id),
    created_at BIGINT NOT NULL,
    edited_at BIGINT,
    deleted_at BIGINT,
    -- the last change after it was sent, of whatever kind
    changed_at BIGINT,
    UNIQUE (conversation_id, seq),
    UNIQUE (sender_id, client_message_id)
);
-- A message as it was sent has a rev that grows with its seq, and is found by
-- that; only what changed later needs an index by rev, so a new message does
-- not pay for one.
CREATE INDEX messages_changed ON messages (conversation_id, rev) WHERE changed_at IS NOT NULL;

CREATE TABLE blocks (
    user_id BIGINT NOT NULL REFERENCES users (id),
    blocked_id BIGINT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    -- set: the block was lifted
    removed_at BIGINT,
    me BIGINT NOT NULL,
    PRIMARY KEY (user_id, blocked_id),
    CHECK (user_id <> blocked_id)
);
CREATE INDEX blocks_by_me ON blocks (user_id, me);
CREATE INDEX blocks_by_blocked ON blocks (blocked_id);

CREATE TABLE contacts (
    user_id BIGINT NOT NULL REFERENCES users (id),
    contact_id BIGINT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    -- set: the contact was taken off the list
    removed_at BIGINT,
    me BIGINT NOT NULL,
    PRIMARY KEY (user_id, contact_id),
    CHECK (user_id <> contact_id)
);
CREATE INDEX contacts_by_me ON contacts (user_id, me);
CREATE INDEX contacts_by_contact ON contacts (contact_id);
