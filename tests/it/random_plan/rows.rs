//! What stands in the tables, read past the hub, and what follows from it by
//! the plainest of computations: none of the hub's own queries is used here.

use crate::scratch::Scratch;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use serde_json::Value;
use std::collections::BTreeMap;

/// A look past the hub, and a hand in what it does not expect.
pub struct Tables {
    url: String,
    /// Let go of before a kill, so that the next hub is alone with what the
    /// last one left.
    conn: Option<Conn>,
}

enum Conn {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

macro_rules! on {
    ($conn:expr, $each:ident => $body:expr) => {
        match $conn {
            Conn::Sqlite($each) => $body,
            Conn::Postgres($each) => $body,
        }
    };
}

/// Everything that lasts, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub conversations: Vec<ConversationRow>,
    pub participants: Vec<ParticipantRow>,
    /// By conversation, and by `seq` within it.
    pub messages: Vec<MessageRow>,
    /// Who has whom blocked, and on the list of contacts.
    pub blocks: Vec<Tie>,
    pub contacts: Vec<Tie>,
    pub marks: Vec<Mark>,
}

#[derive(Clone, Debug, QueryableByName)]
pub struct ConversationRow {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = BigInt)]
    pub last_seq: i64,
    #[diesel(sql_type = BigInt)]
    pub rev: i64,
    #[diesel(sql_type = BigInt)]
    pub user_low: i64,
    #[diesel(sql_type = BigInt)]
    pub user_high: i64,
}

#[derive(Clone, Debug, QueryableByName)]
pub struct ParticipantRow {
    #[diesel(sql_type = BigInt)]
    pub conversation_id: i64,
    #[diesel(sql_type = BigInt)]
    pub user_id: i64,
    #[diesel(sql_type = BigInt)]
    pub rev: i64,
    #[diesel(sql_type = BigInt)]
    pub visible_from_seq: i64,
    #[diesel(sql_type = BigInt)]
    pub cleared_seq: i64,
    #[diesel(sql_type = BigInt)]
    pub delivered_seq: i64,
    #[diesel(sql_type = BigInt)]
    pub read_seq: i64,
    #[diesel(sql_type = BigInt)]
    pub own_read_seq: i64,
}

#[derive(Clone, Debug, PartialEq, QueryableByName)]
pub struct MessageRow {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = BigInt)]
    pub conversation_id: i64,
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    #[diesel(sql_type = BigInt)]
    pub rev: i64,
    #[diesel(sql_type = BigInt)]
    pub sender_id: i64,
    #[diesel(sql_type = Text)]
    pub content: String,
    #[diesel(sql_type = Text)]
    pub client_message_id: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub deleted_at: Option<i64>,
}

#[derive(Clone, Debug, QueryableByName)]
pub struct Tie {
    #[diesel(sql_type = BigInt)]
    pub from: i64,
    #[diesel(sql_type = BigInt)]
    pub to: i64,
}

#[derive(Clone, Debug, QueryableByName)]
pub struct Mark {
    #[diesel(sql_type = BigInt)]
    pub conversation_id: i64,
    #[diesel(sql_type = BigInt)]
    pub user_id: i64,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    #[diesel(sql_type = BigInt)]
    pub at: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// While a row stands in `plan_trap`, writing a message makes COMMIT fail: a
/// reference that is looked at only then.
const TRAP: &str = "CREATE TABLE plan_trap (n BIGINT);
    CREATE TABLE plan_orphans (n BIGINT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED);";
const SPRING_ON_SQLITE: &str = "CREATE TRIGGER plan_spring AFTER INSERT ON messages
    WHEN EXISTS (SELECT 1 FROM plan_trap) BEGIN INSERT INTO plan_orphans VALUES (-1); END;";
const SPRING_ON_POSTGRES: &str = "CREATE FUNCTION plan_spring() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT 1 FROM plan_trap) THEN INSERT INTO plan_orphans VALUES (-1); END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER plan_spring AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION plan_spring();";

impl Tables {
    pub fn of(database: &Scratch) -> Self {
        Self { url: database.url.clone(), conn: None }
    }

    fn open(&mut self) -> &mut Conn {
        self.conn.get_or_insert_with(|| match self.url.strip_prefix("sqlite://") {
            Some(path) => {
                let mut conn = SqliteConnection::establish(path).unwrap();
                conn.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
                Conn::Sqlite(conn)
            }
            None => Conn::Postgres(PgConnection::establish(&self.url).unwrap()),
        })
    }

    pub fn close(&mut self) {
        self.conn = None;
    }

    fn run(&mut self, sql: &str) {
        on!(self.open(), conn => conn.batch_execute(sql)).unwrap();
    }

    /// Once, when the hub has made its tables.
    pub fn lay_trap(&mut self) {
        self.run(TRAP);
        match self.open() {
            Conn::Sqlite(conn) => conn.batch_execute(SPRING_ON_SQLITE),
            Conn::Postgres(conn) => conn.batch_execute(SPRING_ON_POSTGRES),
        }
        .unwrap();
    }

    pub fn set_trap(&mut self, is_set: bool) {
        self.run(if is_set { "INSERT INTO plan_trap VALUES (1)" } else { "DELETE FROM plan_trap" });
    }

    /// Whether anybody else is connected: a server of Postgres ends what it was
    /// asked a moment after the asker was killed.
    pub fn has_other_users(&mut self) -> bool {
        match self.open() {
            Conn::Sqlite(_) => false,
            Conn::Postgres(conn) => {
                let sql = "SELECT count(*) AS n FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
                diesel::sql_query(sql).get_result::<Count>(conn).unwrap().n > 0
            }
        }
    }

    /// All of it from one snapshot.
    pub fn look(&mut self) -> Rows {
        on!(self.open(), conn => conn.transaction(|conn| {
            QueryResult::Ok(Rows {
                conversations: diesel::sql_query(
                    "SELECT id, last_seq, rev, user_low, user_high FROM conversations ORDER BY id",
                )
                .load(conn)?,
                participants: diesel::sql_query(
                    "SELECT conversation_id, user_id, rev, visible_from_seq, cleared_seq, delivered_seq, read_seq,
                        own_read_seq FROM participants WHERE role IS NOT NULL ORDER BY conversation_id, user_id",
                )
                .load(conn)?,
                messages: diesel::sql_query(
                    "SELECT id, conversation_id, seq, rev, sender_id, content, client_message_id, deleted_at
                        FROM messages ORDER BY conversation_id, seq",
                )
                .load(conn)?,
                blocks: diesel::sql_query(
                    r#"SELECT user_id AS "from", blocked_id AS "to" FROM blocks WHERE removed_at IS NULL"#,
                )
                .load(conn)?,
                contacts: diesel::sql_query(
                    r#"SELECT user_id AS "from", contact_id AS "to" FROM contacts WHERE removed_at IS NULL"#,
                )
                .load(conn)?,
                marks: diesel::sql_query("SELECT conversation_id, user_id, kind, seq, at FROM receipt_marks ORDER BY seq")
                    .load(conn)?,
            })
        }))
        .unwrap()
    }
}

impl ParticipantRow {
    pub fn positions(&self) -> [i64; 5] {
        [self.conversation_id, self.user_id, self.delivered_seq, self.read_seq, self.own_read_seq]
    }
}

impl Rows {
    pub fn is_block_between(&self, one: i64, other: i64) -> bool {
        self.blocks.iter().any(|tie| (tie.from, tie.to) == (one, other) || (tie.from, tie.to) == (other, one))
    }

    pub fn messages_in(&self, conversation_id: i64) -> impl Iterator<Item = &MessageRow> {
        self.messages.iter().filter(move |message| message.conversation_id == conversation_id)
    }

    pub fn participants_in(&self, conversation_id: i64) -> impl Iterator<Item = &ParticipantRow> {
        self.participants.iter().filter(move |row| row.conversation_id == conversation_id)
    }

    pub fn conversations_of(&self, user_id: i64) -> impl Iterator<Item = &ConversationRow> {
        self.conversations.iter().filter(move |row| row.user_low == user_id || row.user_high == user_id)
    }

    /// What one has not read, message by message, where there is any.
    pub fn unread(&self, user_id: i64) -> BTreeMap<i64, i64> {
        let mut counts = BTreeMap::new();
        for place in self.participants.iter().filter(|place| place.user_id == user_id) {
            for message in self.messages_in(place.conversation_id) {
                let may_see = message.seq >= place.visible_from_seq && message.seq > place.cleared_seq;
                let is_news = message.seq > place.own_read_seq && message.sender_id != user_id;
                if may_see && is_news && message.deleted_at.is_none() {
                    *counts.entry(place.conversation_id).or_default() += 1;
                }
            }
        }
        counts
    }

    /// When one came to this message: the first mark that is not before it.
    pub fn reached_at(&self, message: &MessageRow, user_id: i64, kind: &str) -> Option<i64> {
        let is_of = |mark: &&Mark| mark.conversation_id == message.conversation_id && mark.user_id == user_id;
        self.marks.iter().filter(is_of).find(|mark| mark.kind == kind && mark.seq >= message.seq).map(|mark| mark.at)
    }
}

impl MessageRow {
    /// As a frame or an answer tells it.
    pub fn told(message: &Value) -> Self {
        let number = |key: &str| message[key].as_i64().unwrap();
        let text = |key: &str| message[key].as_str().unwrap().to_owned();
        Self {
            id: number("id"),
            conversation_id: number("conversation_id"),
            seq: number("seq"),
            rev: number("rev"),
            sender_id: number("sender_id"),
            content: text("content"),
            client_message_id: text("client_message_id"),
            deleted_at: None,
        }
    }
}
