-- The first schema. Ids are never reused. Times are milliseconds since 1970 in
-- UTC. Rows of users and messages are never deleted.
--
-- A file `up.sql` is for both databases. Four placeholders stand for what they
-- write differently: {ID} is a primary key that the database numbers, {BYTES} the
-- type of bytes, {TEXT_C} text that is compared byte by byte, and {BY_KEY} a table
-- whose rows SQLite stores in the order of the key.

-- One row: the name of this history. A restored backup gets a new epoch.
CREATE TABLE hub (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    epoch TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Each start of a hub, and how many transactions it committed. The hub keeps its
-- own count outside of the database: a database that has fewer is a restored backup.
CREATE TABLE hub_runs (
    id {ID},
    -- random, so that no two histories have the same
    nonce TEXT NOT NULL UNIQUE CHECK (length(nonce) = 32),
    started_at BIGINT NOT NULL,
    commits BIGINT NOT NULL DEFAULT 0
);

-- One row, written to find out whether the database accepts writes.
CREATE TABLE write_checks (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    checked_at BIGINT NOT NULL
);
INSERT INTO write_checks (id, checked_at) VALUES (1, 0);

CREATE TABLE users (
    id {ID},
    username TEXT NOT NULL CHECK (length(username) <= 32),
    -- the username in lower case, which is unique
    username_key TEXT NOT NULL UNIQUE CHECK (length(username_key) <= 32),
    display_name TEXT NOT NULL CHECK (length(display_name) <= 64),
    email TEXT CHECK (length(email) <= 254),
    avatar_url TEXT CHECK (length(avatar_url) <= 512),
    -- null: cannot log in with a password
    password_hash TEXT,
    -- the user's name at an external identity provider
    external_issuer TEXT CHECK (length(external_issuer) <= 255),
    external_subject TEXT CHECK (length(external_subject) <= 255),
    kind TEXT NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'bot')),
    role TEXT NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
    -- a JSON object of the application, which the hub does not read
    metadata TEXT CHECK (length(metadata) <= 4096),
    -- number of the last change that this user alone sees
    me BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    -- when the application last changed the profile
    updated_at BIGINT,
    -- tokens that were issued before this time are invalid
    tokens_valid_from BIGINT,
    last_seen_at BIGINT,
    disabled_at BIGINT,
    deleted_at BIGINT,
    -- how many groups the user is in
    group_count BIGINT NOT NULL DEFAULT 0,
    -- Since when the user's groups wait for a job: a closed account has to leave
    -- them, and groups of a disabled account need another owner.
    groups_due_at BIGINT,
    UNIQUE (external_issuer, external_subject)
);
CREATE INDEX users_with_groups_due ON users (groups_due_at) WHERE groups_due_at IS NOT NULL;

-- The words by which a user is found: the username (kind 0), the first word of the
-- display name (1), and the other words (2). Users who cannot be found have none.
-- The key is ordered by code points, so words with one beginning are a range.
CREATE TABLE user_words (
    kind BIGINT NOT NULL CHECK (kind BETWEEN 0 AND 2),
    word {TEXT_C} NOT NULL CHECK (length(word) <= 64),
    user_id BIGINT NOT NULL REFERENCES users (id),
    PRIMARY KEY (kind, word, user_id)
) {BY_KEY};
CREATE INDEX user_words_by_user ON user_words (user_id, word, kind);

-- One row: by which version of the words, and up to which user, the table
-- `user_words` was filled. The hub fills it when it starts.
CREATE TABLE user_words_progress (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    version BIGINT NOT NULL,
    filled_upto BIGINT NOT NULL
);
INSERT INTO user_words_progress (id, version, filled_upto) VALUES (1, 0, 0);

-- One row for each device that is logged in. The cookie itself is not stored.
CREATE TABLE logins (
    id {ID},
    user_id BIGINT NOT NULL REFERENCES users (id),
    token_hash {BYTES} NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    user_agent TEXT CHECK (length(user_agent) <= 256),
    ip TEXT CHECK (length(ip) <= 45)
);
CREATE INDEX logins_by_user ON logins (user_id);

-- One row for each login that ended, and for each account that was disabled or
-- closed. Triggers write the rows, so none is forgotten. Each hub reads the new ones
-- and ends the connections that it has, and deletes them after ten minutes.
CREATE TABLE revocations (
    id {ID},
    user_id BIGINT NOT NULL,
    -- null: all logins of the user
    login_id BIGINT
);

-- A ticket opens one socket, once, within seconds. The ticket itself is not stored.
CREATE TABLE tickets (
    ticket_hash {BYTES} PRIMARY KEY NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id),
    -- the login that created it; null: a token of another system created it
    login_id BIGINT,
    -- when that token expires; the socket then ends
    token_expires_at BIGINT,
    expires_at BIGINT NOT NULL
);
CREATE INDEX tickets_by_expiry ON tickets (expires_at);

-- Limits on attempts, such as wrong passwords. Each attempt takes one of a fixed
-- number of places, which is free again at `free_at`. The bucket is the SHA-256
-- of what is tried, and by whom.
CREATE TABLE attempts (
    bucket {BYTES} NOT NULL CHECK (length(bucket) = 32),
    place BIGINT NOT NULL,
    free_at BIGINT NOT NULL,
    PRIMARY KEY (bucket, place)
);
CREATE INDEX attempts_by_end ON attempts (free_at);

-- The use of a daily quota.
CREATE TABLE quotas (
    user_id BIGINT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL CHECK (kind IN ('groups', 'strangers')),
    at BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (user_id, kind, at)
);
CREATE INDEX quotas_by_time ON quotas (at);

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
    -- set: the contact was removed
    removed_at BIGINT,
    me BIGINT NOT NULL,
    PRIMARY KEY (user_id, contact_id),
    CHECK (user_id <> contact_id)
);
CREATE INDEX contacts_by_me ON contacts (user_id, me);
CREATE INDEX contacts_by_contact ON contacts (contact_id);

-- The user left a group to which a stranger had added them. That stranger cannot
-- add them to another group.
CREATE TABLE declined_adders (
    user_id BIGINT NOT NULL REFERENCES users (id),
    adder_id BIGINT NOT NULL REFERENCES users (id),
    declined_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, adder_id)
);

CREATE TABLE conversations (
    id {ID},
    kind TEXT NOT NULL CHECK (kind IN ('direct', 'group')),
    title TEXT CHECK (length(title) <= 128),
    platform TEXT NOT NULL DEFAULT 'chat' CHECK (length(platform) <= 32),
    -- the application's own name for the conversation
    external_id TEXT UNIQUE CHECK (length(external_id) <= 255),
    -- a JSON object of the application, which the hub does not read
    metadata TEXT CHECK (length(metadata) <= 4096),
    -- closed: only the application may write
    writing TEXT NOT NULL DEFAULT 'open' CHECK (writing IN ('open', 'closed')),
    -- the two users of a direct conversation; null in a group
    user_low BIGINT REFERENCES users (id),
    user_high BIGINT REFERENCES users (id),
    created_by BIGINT NOT NULL REFERENCES users (id),
    client_id TEXT CHECK (length(client_id) <= 64),
    created_at BIGINT NOT NULL,
    -- time of the last message, or of the creation; never goes back
    active_at BIGINT NOT NULL,
    last_seq BIGINT NOT NULL DEFAULT 0,
    rev BIGINT NOT NULL DEFAULT 0,
    -- how many users are in the conversation
    member_count BIGINT NOT NULL DEFAULT 0,
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
    -- positions that every participant sees
    delivered_seq BIGINT NOT NULL DEFAULT 0,
    read_seq BIGINT NOT NULL DEFAULT 0,
    -- positions that the user alone sees; never behind the shared ones
    own_delivered_seq BIGINT NOT NULL DEFAULT 0,
    own_read_seq BIGINT NOT NULL DEFAULT 0,
    -- the rev of the last change that every participant sees
    rev BIGINT NOT NULL,
    -- the me of the last change that the user alone sees
    me BIGINT NOT NULL DEFAULT 0,
    -- the user who added this one to the group; null: nobody
    added_by BIGINT,
    PRIMARY KEY (conversation_id, user_id)
);
CREATE INDEX participants_by_user ON participants (user_id, conversation_id);
CREATE INDEX participants_by_rev ON participants (conversation_id, rev);
CREATE INDEX participants_by_me ON participants (user_id, me);

CREATE TABLE messages (
    id {ID},
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    seq BIGINT NOT NULL,
    rev BIGINT NOT NULL,
    sender_id BIGINT NOT NULL REFERENCES users (id),
    content TEXT NOT NULL,
    message_type TEXT NOT NULL DEFAULT 'text' CHECK (length(message_type) <= 32),
    -- how the content is written; null: plain text
    format TEXT CHECK (length(format) <= 32),
    -- a set of bits: which other tables have rows for this message
    extras BIGINT NOT NULL DEFAULT 0,
    client_message_id TEXT CHECK (length(client_message_id) <= 64),
    -- SHA-256 of the content as first sent, stored when the content changes. With
    -- it a late retry is distinguished from a conflict.
    first_content_hash {BYTES},
    reply_to_id BIGINT REFERENCES messages (id),
    created_at BIGINT NOT NULL,
    edited_at BIGINT,
    deleted_at BIGINT,
    -- the last change of any kind after the message was sent
    changed_at BIGINT,
    UNIQUE (conversation_id, seq),
    -- The client's id comes first: ids that grow with time then fall on the last
    -- page of the index, which many messages share, and not on a page for each sender.
    UNIQUE (client_message_id, sender_id)
);
-- An unchanged message has a rev that grows with its seq, and is found by that.
-- Only later changes need an index by rev, so a new message does not pay for one.
CREATE INDEX messages_changed ON messages (conversation_id, rev) WHERE changed_at IS NOT NULL;

-- Messages that a user deleted for themselves alone.
CREATE TABLE hidden_messages (
    user_id BIGINT NOT NULL REFERENCES users (id),
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    message_id BIGINT NOT NULL REFERENCES messages (id),
    -- the me of the change that hid it
    me BIGINT NOT NULL,
    PRIMARY KEY (user_id, message_id)
);
CREATE INDEX hidden_messages_by_me ON hidden_messages (user_id, me);

-- The reactions of users to messages. The reaction with the lowest rev was the first.
CREATE TABLE reactions (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    message_id BIGINT NOT NULL REFERENCES messages (id),
    emoji TEXT NOT NULL CHECK (length(emoji) <= 32),
    user_id BIGINT NOT NULL REFERENCES users (id),
    -- the conversation's rev that set it
    rev BIGINT NOT NULL,
    PRIMARY KEY (message_id, emoji, user_id)
);
CREATE INDEX reactions_in_order ON reactions (message_id, emoji, rev);

-- When a shared position moved: one row for each move, not for each message. A
-- message was read at the first mark of kind 'read' that is not before it.
CREATE TABLE receipt_marks (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL CHECK (kind IN ('delivered', 'read')),
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, user_id, kind, seq)
);
-- Old marks are deleted by their time.
CREATE INDEX receipt_marks_by_time ON receipt_marks (at);

-- One row: marks of messages that were sent before this time are incomplete.
CREATE TABLE receipt_times (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    kept_from BIGINT NOT NULL
);
INSERT INTO receipt_times (id, kept_from) VALUES (1, 0);

-- Moves of shared positions in groups that are committed and not yet announced.
-- The moves of some 100 ms are announced together, under one rev.
CREATE TABLE pending_receipts (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    delivered_seq BIGINT NOT NULL,
    read_seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
);

-- Reports to the administrators: of a user or of a message.
CREATE TABLE reports (
    id {ID},
    reporter_id BIGINT NOT NULL REFERENCES users (id),
    user_id BIGINT REFERENCES users (id),
    message_id BIGINT REFERENCES messages (id),
    reason TEXT NOT NULL CHECK (length(reason) <= 1000),
    created_at BIGINT NOT NULL,
    -- the text of the message, or the names of the user, when it was reported;
    -- null: erased
    evidence TEXT,
    UNIQUE (reporter_id, user_id),
    UNIQUE (reporter_id, message_id),
    CHECK ((user_id IS NULL) <> (message_id IS NULL))
);
CREATE INDEX reports_by_reporter ON reports (reporter_id, id);
CREATE INDEX reports_with_evidence ON reports (created_at) WHERE evidence IS NOT NULL;

-- One row: how far messages are indexed, and by which version of the terms. A
-- search finds later messages by reading them.
CREATE TABLE search_progress (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    version BIGINT NOT NULL,
    indexed_upto BIGINT NOT NULL
);
INSERT INTO search_progress (id, version, indexed_upto) VALUES (1, 0, 0);
