//! Pauses a transaction of a hub on Postgres before its COMMIT, for as long as a test wants.

use super::database::Database;
use super::eventually;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

/// The trigger waits for a lock that the test holds, without the timeout of the hub's own locks.
const TRIGGER: &str = "
    CREATE OR REPLACE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0
    AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$;
    SELECT pg_advisory_lock(1);";

pub struct Pause {
    conn: PgConnection,
}

#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

impl Pause {
    /// Makes each transaction that does this, `INSERT ON messages`, to such a row stop right after
    /// it.
    pub fn after(database: &Database, what: &str, when: &str) -> Self {
        let mut conn = database.postgres();
        let trigger = format!(
            "{TRIGGER} CREATE OR REPLACE TRIGGER pause AFTER {what} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION pause();"
        );
        conn.batch_execute(&trigger).unwrap();
        Self { conn }
    }

    /// Waits until this many transactions wait, for this pause or for each other.
    pub async fn wait_for(&mut self, count: i64) {
        eventually(&format!("{count} transactions wait"), async || count_waiting(&mut self.conn) == count).await;
    }

    /// Resumes all transactions.
    pub fn release(mut self) {
        self.conn.batch_execute("SELECT pg_advisory_unlock(1)").unwrap();
    }
}

/// A conversation whose row a direct connection has locked.
pub struct Held {
    conn: PgConnection,
    others: PgConnection,
}

impl Held {
    pub fn conversation(database: &Database, id: i64) -> Self {
        let mut conn = database.postgres();
        conn.batch_execute(&format!("BEGIN; SELECT id FROM conversations WHERE id = {id} FOR UPDATE")).unwrap();
        Self { conn, others: database.postgres() }
    }

    /// Waits until a transaction waits for the row.
    pub async fn wait_for_one(&mut self) {
        eventually("a transaction waits for the conversation", async || count_waiting(&mut self.others) > 0).await;
    }

    /// Makes one more change and releases the lock.
    pub fn commit(&mut self, sql: &str) {
        self.conn.batch_execute(sql).unwrap();
        self.conn.batch_execute("COMMIT").unwrap();
    }
}

fn count_waiting(conn: &mut PgConnection) -> i64 {
    let waiting = "SELECT count(*) AS n FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    diesel::sql_query(waiting).get_result::<Waiting>(conn).unwrap().n
}
