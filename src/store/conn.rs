//! A connection to either database, and what holds on every one of them.
//!
//! SQLite: write-ahead log and `synchronous=FULL`, read back and checked each
//! time, because with anything less a power cut loses acknowledged messages;
//! what is deleted is overwritten, because people delete what nobody shall read.
//! Postgres: deadlines on connecting, on locks and on statements.

use super::on;
use crate::error::{Error, Result};
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use url::Url;

/// How long SQLite waits for another process's lock (requirement of its own
/// documentation for several writers: seconds, not zero).
const SQLITE_BUSY_MS: u32 = 5_000;

/// Pages SQLite keeps in memory for a connection, as far as they are used. With
/// its default of 2 MiB the lane reads index pages back from the file for
/// every batch.
const SQLITE_CACHE_KIB: u32 = 65_536;

/// Pages in the write-ahead log before they are copied into the database. Batches
/// of busy conversations write the same pages again and again, and each is
/// copied once: 32 MiB, eight times the default.
const SQLITE_CHECKPOINT_PAGES: u32 = 8_192;

/// Which database, and where.
#[derive(Clone)]
pub enum Target {
    Sqlite(PathBuf),
    /// A libpq connection URL; may hold a password.
    Postgres(String),
}

/// An open connection.
pub enum Db {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Target {
    pub fn name(&self) -> &'static str {
        match self {
            Target::Sqlite(_) => "SQLite",
            Target::Postgres(_) => "Postgres",
        }
    }

    /// A connection that may write. A missing SQLite file is made, readable
    /// by its owner alone.
    ///
    /// # Errors
    /// `DatabaseAway`, naming the file or the server's own words.
    pub fn open(&self) -> Result<Db> {
        match self {
            Target::Sqlite(path) => open_sqlite(path).map(Db::Sqlite),
            Target::Postgres(url) => open_postgres(url).map(Db::Postgres),
        }
    }

    /// A connection that refuses to write.
    pub fn open_for_reading(&self) -> Result<Db> {
        let mut db = self.open()?;
        if let Db::Sqlite(conn) = &mut db {
            conn.batch_execute("PRAGMA query_only = ON")?;
        }
        Ok(db)
    }
}

fn open_sqlite(path: &Path) -> Result<SqliteConnection> {
    let away = |error: &dyn Display| {
        Error::DatabaseAway(format!("cannot open the SQLite database {}: {error}", path.display()).into())
    };
    make_private(path).map_err(|error| away(&error))?;
    let mut conn = SqliteConnection::establish(&path.to_string_lossy()).map_err(|error| away(&error))?;
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = {SQLITE_BUSY_MS};
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA cache_size = -{SQLITE_CACHE_KIB};
         PRAGMA wal_autocheckpoint = {SQLITE_CHECKPOINT_PAGES};"
    ))
    .and_then(|()| begin_log(&mut conn))
    .map_err(|error| away(&error))?;
    check_sqlite(&mut conn).map_err(|error| away(&error.cause()))?;
    Ok(conn)
}

/// Makes a missing file, its owner's alone; SQLite gives its -wal and -shm
/// files the same mode. One that is there is not touched: closing it again
/// would let go of the locks this process has on it (POSIX fcntl).
fn make_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        // SQLite's own words for this tell nothing.
        Err(_) if path.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Err(_) => Ok(()),
    }
}

/// Switches to the write-ahead log. SQLite does not wait for the lock that a
/// new file needs for that, when several open it at once; so whoever finds it
/// taken waits for a lock that SQLite does wait for, and tries again.
fn begin_log(conn: &mut SqliteConnection) -> QueryResult<()> {
    const TRIES: usize = 20;
    let mut outcome = Ok(());
    for _ in 0..TRIES {
        outcome = conn.batch_execute("PRAGMA journal_mode = WAL");
        match &outcome {
            Err(error) if error.to_string().contains("locked") => conn.batch_execute("BEGIN IMMEDIATE; COMMIT")?,
            _ => break,
        }
    }
    outcome
}

#[derive(QueryableByName)]
struct SqliteSettings {
    #[diesel(sql_type = Text)]
    journal_mode: String,
    #[diesel(sql_type = BigInt)]
    synchronous: i64,
    #[diesel(sql_type = BigInt)]
    foreign_keys: i64,
    #[diesel(sql_type = BigInt)]
    secure_delete: i64,
}

/// Refuses a connection on which a power cut could lose what was committed, or
/// what was deleted could stay in the file.
fn check_sqlite(conn: &mut SqliteConnection) -> Result<()> {
    const FULL: i64 = 2;
    let settings: SqliteSettings = diesel::sql_query(
        "SELECT journal_mode, synchronous, foreign_keys, secure_delete
         FROM pragma_journal_mode, pragma_synchronous, pragma_foreign_keys, pragma_secure_delete",
    )
    .get_result(conn)?;
    let SqliteSettings { journal_mode, synchronous, foreign_keys, secure_delete } = settings;
    match (journal_mode.as_str(), synchronous, foreign_keys, secure_delete) {
        ("wal", FULL, 1, 1) => Ok(()),
        _ => Err(Error::DatabaseAway(
            format!(
                "SQLite did not take its settings (journal_mode={journal_mode}, synchronous={synchronous}, \
                 foreign_keys={foreign_keys}, secure_delete={secure_delete}); the file system may not support a \
                 write-ahead log"
            )
            .into(),
        )),
    }
}

fn open_postgres(url: &str) -> Result<PgConnection> {
    let mut conn = PgConnection::establish(&with_deadlines(url))
        .map_err(|error| Error::DatabaseAway(format!("cannot connect to Postgres: {error}").into()))?;
    conn.batch_execute(
        "SET statement_timeout = '10s'; SET lock_timeout = '2s';
         SET idle_in_transaction_session_timeout = '30s'; SET client_min_messages = 'warning'",
    )?;
    Ok(conn)
}

/// Adds the deadlines of libpq that the URL does not set itself: two seconds
/// to connect, five until an unanswered packet means the server is gone.
fn with_deadlines(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return url.to_owned() };
    let set: Vec<String> = url.query_pairs().map(|(key, _)| key.into_owned()).collect();
    for (key, value) in [("connect_timeout", "2"), ("tcp_user_timeout", "5000"), ("application_name", "switchboard")] {
        if !set.iter().any(|name| name == key) {
            url.query_pairs_mut().append_pair(key, value);
        }
    }
    url.into()
}

impl Db {
    /// Whether other nodes may write at the same time.
    pub fn has_other_writers(&self) -> bool {
        matches!(self, Db::Postgres(_))
    }

    pub(super) fn begin_write(&mut self) -> QueryResult<()> {
        match self {
            // Immediate: a transaction that reads first and then writes could
            // otherwise fail busy in the middle.
            Db::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE"),
            Db::Postgres(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN"),
        }
    }

    pub(super) fn begin_snapshot(&mut self) -> QueryResult<()> {
        match self {
            Db::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN"),
            Db::Postgres(conn) => {
                AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            }
        }
    }

    /// Inside a transaction: begins a savepoint.
    pub(super) fn begin_savepoint(&mut self) -> QueryResult<()> {
        on!(self, conn => AnsiTransactionManager::begin_transaction(conn))
    }

    /// Commits the innermost transaction or releases the innermost savepoint.
    pub(super) fn commit(&mut self) -> QueryResult<()> {
        on!(self, conn => AnsiTransactionManager::commit_transaction(conn))
    }

    /// Rolls back the innermost transaction or savepoint.
    pub(super) fn roll_back(&mut self) -> QueryResult<()> {
        on!(self, conn => AnsiTransactionManager::rollback_transaction(conn))
    }

    /// Rolls back the transaction, and the savepoint where one is open.
    pub(super) fn roll_back_all(&mut self) -> QueryResult<()> {
        loop {
            let depth = on!(self, conn => {
                let status = AnsiTransactionManager::transaction_manager_status_mut(conn);
                status.transaction_depth()
            })?;
            match depth {
                Some(_) => self.roll_back()?,
                None => return Ok(()),
            }
        }
    }

    /// One write transaction around `work`; for start-up and tools. The
    /// running hub writes through the lane.
    pub fn write_transaction<T>(&mut self, work: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
        self.begin_write()?;
        self.finish(work)
    }

    /// One read-only transaction around `work`: all of it sees one snapshot.
    pub fn snapshot<T>(&mut self, work: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
        self.begin_snapshot()?;
        self.finish(work)
    }

    fn finish<T>(&mut self, work: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
        let outcome = work(self);
        match outcome {
            Ok(value) => self.commit().map(|()| value).map_err(Error::from),
            Err(error) => {
                // The first error is the one to tell; a failed rollback leaves
                // the connection broken, and the pool throws it away.
                let _ = self.roll_back();
                Err(error)
            }
        }
    }

    /// What an operator must know about a Postgres that may lose committed
    /// messages; empty when there is nothing to warn about.
    pub fn durability_warnings(&mut self) -> Result<Vec<String>> {
        #[derive(QueryableByName)]
        struct Setting {
            #[diesel(sql_type = Text)]
            name: String,
        }
        let Db::Postgres(conn) = self else { return Ok(Vec::new()) };
        let off: Vec<Setting> = diesel::sql_query(
            "SELECT name FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit') AND setting = 'off'",
        )
        .load(conn)?;
        Ok(off
            .into_iter()
            .map(|Setting { name }| format!("Postgres runs with {name} off: a crash can lose acknowledged messages"))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_added_only_where_the_url_sets_none() {
        let url = with_deadlines("postgres://ann@127.0.0.1/chat?connect_timeout=9");
        assert!(url.contains("connect_timeout=9") && !url.contains("connect_timeout=2"), "{url}");
        assert!(url.contains("tcp_user_timeout=5000"), "{url}");
    }

    #[test]
    fn a_new_sqlite_file_is_its_owners_alone_and_every_connection_is_durable() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new.db");
        let target = Target::Sqlite(path.clone());
        for _ in 0..3 {
            assert!(target.open().is_ok(), "opening checks the settings");
            assert!(target.open_for_reading().is_ok());
        }
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_connection_that_is_not_durable_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut conn = SqliteConnection::establish(dir.path().join("a.db").to_str().unwrap()).unwrap();
        for weaker in [
            "PRAGMA synchronous = NORMAL",
            "PRAGMA journal_mode = DELETE",
            "PRAGMA foreign_keys = OFF",
            "PRAGMA secure_delete = OFF",
        ] {
            conn.batch_execute(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
                 PRAGMA secure_delete = ON",
            )
            .unwrap();
            assert!(check_sqlite(&mut conn).is_ok());
            conn.batch_execute(weaker).unwrap();
            assert!(check_sqlite(&mut conn).is_err(), "{weaker}");
        }
    }

    #[test]
    fn a_reading_connection_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::Sqlite(dir.path().join("a.db"));
        let Ok(Db::Sqlite(mut conn)) = target.open_for_reading() else { panic!("SQLite opens") };
        assert!(conn.batch_execute("CREATE TABLE t (x)").is_err());
    }
}
