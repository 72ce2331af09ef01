//! Direct reads of the tables, and faults that the hub does not expect.

use super::rows::{MessageRow, Rows};
use crate::support::temp_database::Scratch;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

/// A direct database connection that also injects faults.
pub struct Tables {
    url: String,
    /// Closed before a kill, so that the next hub is alone with the state that the last one left.
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

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// A message as its table has it.
#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    conversation_id: i64,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = BigInt)]
    rev: i64,
    #[diesel(sql_type = BigInt)]
    sender_id: i64,
    #[diesel(sql_type = Text)]
    content: String,
    #[diesel(sql_type = Text)]
    client_message_id: String,
    #[diesel(sql_type = Bool)]
    is_edited: bool,
    #[diesel(sql_type = Bool)]
    is_deleted: bool,
    #[diesel(sql_type = Bool)]
    is_changed: bool,
}

/// A user's own state of a message: hidden, or a reaction.
#[derive(QueryableByName)]
struct Touch {
    #[diesel(sql_type = BigInt)]
    user_id: i64,
    #[diesel(sql_type = BigInt)]
    message_id: i64,
    #[diesel(sql_type = Text)]
    emoji: String,
}

/// While a row stands in `plan_trap`, every write that takes a rev makes COMMIT fail, by a deferred
/// reference.
const TRAP: &str = "CREATE TABLE plan_trap (n BIGINT);
    CREATE TABLE plan_orphans (n BIGINT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED);";
const SPRING_ON_SQLITE: &str = "CREATE TRIGGER plan_spring AFTER UPDATE ON conversations
    WHEN EXISTS (SELECT 1 FROM plan_trap) BEGIN INSERT INTO plan_orphans VALUES (-1); END;
    CREATE TRIGGER plan_spring_of_new AFTER INSERT ON conversations
    WHEN EXISTS (SELECT 1 FROM plan_trap) BEGIN INSERT INTO plan_orphans VALUES (-1); END;";
const SPRING_ON_POSTGRES: &str = "CREATE FUNCTION plan_spring() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT 1 FROM plan_trap) THEN INSERT INTO plan_orphans VALUES (-1); END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER plan_spring AFTER INSERT OR UPDATE ON conversations
    FOR EACH ROW EXECUTE FUNCTION plan_spring();";

/// Ends the connection within the COMMIT of a message.
const CUT: &str = "CREATE FUNCTION plan_cut() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER plan_cut AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION plan_cut();";

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

    /// Sets up the traps once, when the hub has made its tables.
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

    /// Only a connection can be lost before its answer.
    pub fn may_leave_commits_unknown(&mut self) -> bool {
        matches!(self.open(), Conn::Postgres(_))
    }

    pub fn set_cut(&mut self, is_set: bool) {
        self.run(if is_set { CUT } else { "DROP TRIGGER plan_cut ON messages; DROP FUNCTION plan_cut" });
    }

    /// Whether a user moved a position and the others were not told yet.
    pub fn has_pending_receipts(&mut self) -> bool {
        let sql = "SELECT count(*) AS n FROM pending_receipts";
        on!(self.open(), conn => diesel::sql_query(sql).get_result::<Count>(conn)).unwrap().n > 0
    }

    /// Whether another client is connected: a Postgres server ends a killed client's request a
    /// moment later.
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

    /// Reads all rows from one snapshot.
    pub fn look(&mut self) -> Rows {
        on!(self.open(), conn => conn.transaction(|conn| {
            let stored: Vec<Stored> = diesel::sql_query(
                "SELECT id, conversation_id, seq, rev, sender_id, content, client_message_id,
                    edited_at IS NOT NULL AS is_edited, deleted_at IS NOT NULL AS is_deleted,
                    changed_at IS NOT NULL AS is_changed FROM messages ORDER BY conversation_id, seq",
            )
            .load(conn)?;
            let reactions: Vec<Touch> =
                diesel::sql_query("SELECT user_id, message_id, emoji FROM reactions").load(conn)?;
            let hidden: Vec<Touch> =
                diesel::sql_query("SELECT user_id, message_id, '' AS emoji FROM hidden_messages").load(conn)?;
            QueryResult::Ok(Rows {
                conversations: diesel::sql_query(
                    "SELECT id, last_seq, rev, user_low, user_high, title FROM conversations ORDER BY id",
                )
                .load(conn)?,
                participants: diesel::sql_query(
                    "SELECT conversation_id, user_id, role, rev, visible_from_seq, cleared_seq, delivered_seq,
                        read_seq, own_read_seq FROM participants ORDER BY conversation_id, user_id",
                )
                .load(conn)?,
                changed: stored.iter().filter(|row| row.is_changed).map(|row| row.id).collect(),
                messages: stored.into_iter().map(|row| row.with(&reactions)).collect(),
                hidden: hidden.iter().map(|row| (row.user_id, row.message_id)).collect(),
                blocks: diesel::sql_query(
                    r#"SELECT user_id AS "from", blocked_id AS "to" FROM blocks WHERE removed_at IS NULL"#,
                )
                .load(conn)?,
                contacts: diesel::sql_query(
                    r#"SELECT user_id AS "from", contact_id AS "to" FROM contacts WHERE removed_at IS NULL"#,
                )
                .load(conn)?,
                declined: diesel::sql_query(r#"SELECT user_id AS "from", adder_id AS "to" FROM declined_adders"#)
                    .load(conn)?,
                marks: diesel::sql_query("SELECT conversation_id, user_id, kind, seq, at FROM receipt_marks ORDER BY seq")
                    .load(conn)?,
            })
        }))
        .unwrap()
    }
}

impl Stored {
    fn with(self, reactions: &[Touch]) -> MessageRow {
        let of_it = reactions.iter().filter(|row| row.message_id == self.id);
        MessageRow {
            id: self.id,
            conversation_id: self.conversation_id,
            seq: self.seq,
            rev: self.rev,
            sender_id: self.sender_id,
            content: self.content,
            client_message_id: self.client_message_id,
            is_edited: self.is_edited,
            is_deleted: self.is_deleted,
            reactions: of_it.map(|row| (row.emoji.clone(), row.user_id)).collect(),
        }
    }
}
