//! Users, and messages of earlier days, written directly into the database of a hub.

use crate::Outcome;
use crate::server::token;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use switchboard::auth::hash_token;
use switchboard::clock::Clock;
use switchboard::store::Db;

/// Rows in one statement.
const PORTION: usize = 100_000;

/// The users and messages of a database when the load begins.
#[derive(Clone, Copy)]
pub struct Seed {
    pub users: usize,
    /// Messages in all, the same number in the conversation of each pair: users 1 and 2, 3 and 4.
    pub messages: usize,
}

impl Seed {
    pub fn write(self, db: &mut Db) -> Outcome<()> {
        self.write_users(db)?;
        if self.messages > 0 {
            self.write_messages(db)?;
        }
        // Postgres would do this by itself within a minute.
        run(db, if matches!(db, Db::Sqlite(_)) { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "ANALYZE" })
    }

    /// Creates users with a login, without a password that would have to be hashed.
    fn write_users(self, db: &mut Db) -> Outcome<()> {
        let now = Clock::system().now().as_millis();
        let (before, after) = if matches!(db, Db::Sqlite(_)) { ("x'", "'") } else { ("'\\x", "'::bytea") };
        let mut sql = String::from("BEGIN;");
        for user in 1..=self.users {
            let hash = hash_token(&token(user)).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            write!(
                sql,
                "INSERT INTO users (username, username_key, display_name, created_at)
                     VALUES ('user{user}', 'user{user}', 'User {user}', {now});
                 INSERT INTO logins (user_id, token_hash, created_at, last_used_at)
                     VALUES ({user}, {before}{hash}{after}, {now}, {now});"
            )?;
        }
        sql.push_str("COMMIT");
        run(db, &sql)
    }

    /// Fills the conversations of all pairs, message by message in turn, as users would. The
    /// messages are read, delivered and indexed.
    fn write_messages(self, db: &mut Db) -> Outcome<()> {
        let pairs = self.users / 2;
        let each = self.messages / pairs;
        run(
            db,
            &format!(
                "INSERT INTO conversations
                     (kind, user_low, user_high, created_by, created_at, active_at, last_seq, rev, member_count)
                 SELECT 'direct', id, id + 1, id, 0, 0, {each}, {each} + 1, 2 FROM users WHERE id % 2 = 1 ORDER BY id;
                 INSERT INTO participants (conversation_id, user_id, role, joined_at, has_written, rev,
                     delivered_seq, read_seq, own_delivered_seq, own_read_seq)
                 SELECT c.id, u.id, 'member', 0, TRUE, 1, {each}, {each}, {each}, {each}
                 FROM conversations c JOIN users u ON u.id IN (c.user_low, c.user_high);
                 UPDATE search_progress SET indexed_upto = {}",
                pairs * each
            ),
        )?;
        for first in (0..pairs * each).step_by(PORTION) {
            let last = (pairs * each).min(first + PORTION) - 1;
            run(
                db,
                &format!(
                    "WITH RECURSIVE number (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM number WHERE n < {last})
                     INSERT INTO messages (conversation_id, seq, rev, sender_id, content, client_message_id, created_at)
                     SELECT n % {pairs} + 1, n / {pairs} + 1, n / {pairs} + 2, n % {pairs} * 2 + 1,
                         'a message with about as many characters as people write to each other on a usual day',
                         'seed-' || (1000000000 + n), 0
                     FROM number"
                ),
            )?;
        }
        Ok(())
    }
}

fn run(db: &mut Db, sql: &str) -> Outcome<()> {
    match db {
        Db::Sqlite(conn) => conn.batch_execute(sql)?,
        Db::Postgres(conn) => conn.batch_execute(sql)?,
    }
    Ok(())
}

/// A database of its own on a Postgres server, dropped at the end.
pub struct PostgresDatabase {
    pub url: String,
    server: String,
    name: String,
}

impl PostgresDatabase {
    pub fn create(server: &str) -> Outcome<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("sockets_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        PgConnection::establish(server)?.batch_execute(&format!("CREATE DATABASE {name}"))?;
        let (before, _) = server.rsplit_once('/').ok_or("a URL ends with the name of a database")?;
        Ok(Self { url: format!("{before}/{name}"), server: server.to_owned(), name })
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let dropped = PgConnection::establish(&self.server).map_err(|error| error.to_string()).and_then(|mut conn| {
            let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
            conn.batch_execute(&sql).map_err(|error| error.to_string())
        });
        if let Err(error) = dropped {
            eprintln!("the database {} is left: {error}", self.name);
        }
    }
}
