PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE __diesel_schema_migrations (
       version VARCHAR(50) PRIMARY KEY NOT NULL,
       run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO __diesel_schema_migrations VALUES('20261120000000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261120010000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261120020000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261120030000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261120070000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261120080000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261120090000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261126010000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261126020000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261126021000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261126030000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261126031000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261126040000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261126060000','2026-11-27 17:12:46');
INSERT INTO __diesel_schema_migrations VALUES('20261127010000','2026-11-27 17:12:46');
CREATE TABLE hub (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    epoch TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO hub VALUES(1,'af3433402598de54bcdaebf05e60817f',1795799566101);
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
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
    deleted_at BIGINT, group_count BIGINT NOT NULL DEFAULT 0, groups_due_at BIGINT,
    UNIQUE (external_issuer, external_subject)
);
INSERT INTO users VALUES(1,'ann','ann','ann',NULL,'$argon2id$v=19$m=19456,t=2,p=1$19OSJmUIaYDb7LHHJSmQbg$m2SknPYAaRTxnfgOIco65HbXsj97YIlEMQVOfjr1Xk4',NULL,NULL,'person','user',0,1795799566337,NULL,NULL,NULL,0,NULL);
INSERT INTO users VALUES(2,'bob','bob','bob',NULL,'$argon2id$v=19$m=19456,t=2,p=1$Tzfq9+jimOtu8XJaCkAseA$1cdIy1wjpBEGmP6dTaEltP3yhLdZaM2fyM3yzMzwK1g',NULL,NULL,'person','user',0,1795799566372,NULL,NULL,NULL,0,NULL);
CREATE TABLE logins (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id),
    token_hash BLOB NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    user_agent TEXT CHECK (length(user_agent) <= 256),
    ip TEXT CHECK (length(ip) <= 45)
);
INSERT INTO logins VALUES(1,1,X'4d1269b8e41d4a55f208ae4be1039c5438353afcc59b141a4dfd51f98c61ac0c',1795799566337,1795799566337,'curl/7.88.1','127.0.0.1');
INSERT INTO logins VALUES(2,2,X'34e2103bec29d1516f3d421f30c00873a14f5a11855c2117cde9ddb994dd2c05',1795799566372,1795799566372,'curl/7.88.1','127.0.0.1');
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
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
    rev BIGINT NOT NULL DEFAULT 0, member_count BIGINT NOT NULL DEFAULT 0,
    UNIQUE (user_low, user_high),
    UNIQUE (created_by, client_id),
    CHECK (user_low < user_high),
    CHECK ((kind = 'direct') = (user_low IS NOT NULL AND user_high IS NOT NULL))
);
INSERT INTO conversations VALUES(1,'direct',NULL,'chat',1,2,1,NULL,1795799566386,1795799566386,1,1,2,2);
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
    me BIGINT NOT NULL DEFAULT 0, added_by BIGINT,
    PRIMARY KEY (conversation_id, user_id)
);
INSERT INTO participants VALUES(1,1,'member',1795799566386,1,1,0,0,NULL,0,NULL,0,0,1,0,NULL);
INSERT INTO participants VALUES(1,2,'member',1795799566386,0,1,0,0,NULL,0,NULL,0,0,1,0,NULL);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
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
    first_content_hash BLOB,
    reply_to_id BIGINT REFERENCES messages (id),
    created_at BIGINT NOT NULL,
    edited_at BIGINT,
    deleted_at BIGINT,
    -- the last change after it was sent, of whatever kind
    changed_at BIGINT,
    UNIQUE (conversation_id, seq),
    UNIQUE (sender_id, client_message_id)
);
INSERT INTO messages VALUES(1,1,1,2,1,'hello','text',NULL,NULL,NULL,1795799566386,NULL,NULL,NULL);
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
CREATE TABLE receipt_marks (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL CHECK (kind IN ('delivered', 'read')),
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, user_id, kind, seq)
);
CREATE TABLE hidden_messages (
    user_id BIGINT NOT NULL REFERENCES users (id),
    message_id BIGINT NOT NULL REFERENCES messages (id),
    -- the user's me that hid it
    me BIGINT NOT NULL,
    PRIMARY KEY (user_id, message_id)
);
CREATE TABLE reactions (
    message_id BIGINT NOT NULL REFERENCES messages (id),
    emoji TEXT NOT NULL CHECK (length(emoji) <= 32),
    user_id BIGINT NOT NULL REFERENCES users (id),
    -- the conversation's rev that set it
    rev BIGINT NOT NULL,
    PRIMARY KEY (message_id, emoji, user_id)
);
CREATE TABLE search_progress (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    version BIGINT NOT NULL,
    indexed_upto BIGINT NOT NULL
);
INSERT INTO search_progress VALUES(1,0,0);
PRAGMA writable_schema=ON;
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','message_terms','message_terms',0,'CREATE VIRTUAL TABLE message_terms USING fts5 (
    terms,
    content = '''',
    contentless_delete = 1,
    detail = none,
    tokenize = ''ascii''
)');
CREATE TABLE IF NOT EXISTS 'message_terms_data'(id INTEGER PRIMARY KEY, block BLOB);
INSERT INTO message_terms_data VALUES(1,X'');
INSERT INTO message_terms_data VALUES(10,X'00000000ff000001000000');
CREATE TABLE IF NOT EXISTS 'message_terms_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS 'message_terms_docsize'(id INTEGER PRIMARY KEY, sz BLOB, origin INTEGER);
CREATE TABLE IF NOT EXISTS 'message_terms_config'(k PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO message_terms_config VALUES('automerge',0);
INSERT INTO message_terms_config VALUES('version',4);
CREATE TABLE reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    reporter_id BIGINT NOT NULL REFERENCES users (id),
    user_id BIGINT REFERENCES users (id),
    message_id BIGINT REFERENCES messages (id),
    reason TEXT NOT NULL CHECK (length(reason) <= 1000),
    created_at BIGINT NOT NULL, evidence TEXT,
    UNIQUE (reporter_id, user_id),
    UNIQUE (reporter_id, message_id),
    CHECK ((user_id IS NULL) <> (message_id IS NULL))
);
CREATE TABLE tickets (
    ticket_hash BLOB PRIMARY KEY NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id),
    -- of whoever made it; null: another system vouched for them
    login_id BIGINT,
    -- when the token it was made with ends, and the socket with it
    token_expires_at BIGINT,
    expires_at BIGINT NOT NULL
);
CREATE TABLE attempts (
    bucket BLOB NOT NULL CHECK (length(bucket) = 32),
    place BIGINT NOT NULL,
    free_at BIGINT NOT NULL,
    PRIMARY KEY (bucket, place)
);
CREATE TABLE hub_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- random, so that no two histories have the same
    nonce TEXT NOT NULL UNIQUE CHECK (length(nonce) = 32),
    started_at BIGINT NOT NULL,
    commits BIGINT NOT NULL DEFAULT 0
);
INSERT INTO hub_runs VALUES(1,'b97ad77025bfbefa9ae3184105cc377a',1795799566111,9);
CREATE TABLE declined_adders (
    user_id BIGINT NOT NULL REFERENCES users (id),
    adder_id BIGINT NOT NULL REFERENCES users (id),
    declined_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, adder_id)
);
CREATE TABLE quotas (
    user_id BIGINT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL CHECK (kind IN ('groups', 'strangers')),
    at BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (user_id, kind, at)
);
CREATE TABLE user_words (
    kind BIGINT NOT NULL CHECK (kind BETWEEN 0 AND 2),
    word TEXT NOT NULL CHECK (length(word) <= 64),
    user_id BIGINT NOT NULL REFERENCES users (id),
    PRIMARY KEY (kind, word, user_id)
) WITHOUT ROWID;
INSERT INTO user_words VALUES(0,'ann',1);
INSERT INTO user_words VALUES(0,'bob',2);
CREATE TABLE user_words_progress (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    version BIGINT NOT NULL,
    filled_upto BIGINT NOT NULL
);
INSERT INTO user_words_progress VALUES(1,2,9223372036854775807);
CREATE TABLE write_checks (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    checked_at BIGINT NOT NULL
);
INSERT INTO write_checks VALUES(1,1795799566297);
CREATE TABLE pending_receipts (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    delivered_seq BIGINT NOT NULL,
    read_seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
);
CREATE TABLE receipt_times (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    kept_from BIGINT NOT NULL
);
INSERT INTO receipt_times VALUES(1,0);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('hub_runs',1);
INSERT INTO sqlite_sequence VALUES('users',2);
INSERT INTO sqlite_sequence VALUES('logins',2);
INSERT INTO sqlite_sequence VALUES('conversations',1);
INSERT INTO sqlite_sequence VALUES('messages',1);
CREATE INDEX logins_by_user ON logins (user_id);
CREATE INDEX participants_by_user ON participants (user_id, conversation_id);
CREATE INDEX participants_by_rev ON participants (conversation_id, rev);
CREATE INDEX participants_by_me ON participants (user_id, me);
CREATE INDEX messages_changed ON messages (conversation_id, rev) WHERE changed_at IS NOT NULL;
CREATE INDEX blocks_by_me ON blocks (user_id, me);
CREATE INDEX blocks_by_blocked ON blocks (blocked_id);
CREATE INDEX contacts_by_me ON contacts (user_id, me);
CREATE INDEX contacts_by_contact ON contacts (contact_id);
CREATE INDEX hidden_messages_by_me ON hidden_messages (user_id, me);
CREATE INDEX reactions_in_order ON reactions (message_id, emoji, rev);
CREATE INDEX reports_by_reporter ON reports (reporter_id, id);
CREATE INDEX tickets_by_expiry ON tickets (expires_at);
CREATE INDEX attempts_by_end ON attempts (free_at);
CREATE INDEX quotas_by_time ON quotas (at);
CREATE INDEX users_with_groups_due ON users (groups_due_at) WHERE groups_due_at IS NOT NULL;
CREATE INDEX reports_with_evidence ON reports (created_at) WHERE evidence IS NOT NULL;
CREATE INDEX user_words_by_user ON user_words (user_id, word, kind);
CREATE INDEX receipt_marks_by_time ON receipt_marks (at);
PRAGMA writable_schema=OFF;
COMMIT;
