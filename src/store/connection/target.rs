//! A database of either kind, opened with the settings that it needs.

use super::db::Db;
use super::failure::is_busy;
use super::time_budget;
use crate::error::{Error, Result};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use url::Url;

/// The time that SQLite waits for another process's lock. SQLite's own documentation requires
/// seconds, not zero, for several writers.
const SQLITE_BUSY_MS: u32 = 5_000;

/// The memory that SQLite may use for pages of the one connection that writes: 64 MiB. With its
/// default of 2 MiB the writer reads index pages back from the file for every batch.
const SQLITE_WRITER: &str = "PRAGMA cache_size = -65536";

/// The same for each connection that reads: 2 MiB. There are many of them, and the system's cache
/// already holds the pages that they share.
const SQLITE_READER: &str = "PRAGMA cache_size = -2048; PRAGMA query_only = ON";

/// The size in pages of the write-ahead log at which the writer itself runs a checkpoint. The
/// writer then copies into the database the pages that `checkpoints` left, and restarts the log.
/// Batches of busy conversations write the same pages repeatedly, and each is copied once. The size
/// is 32 MiB, eight times the default.
const SQLITE_CHECKPOINT_PAGES: u32 = 8_192;

/// A writer waits for a lock for longer than Postgres takes to find a deadlock (`deadlock_timeout`,
/// a second). So Postgres reports a deadlock as a deadlock.
const POSTGRES_WRITER: &str = "SET statement_timeout = '10s'; SET lock_timeout = '2s'";

/// A reader takes no locks. A slow reader keeps others waiting.
const POSTGRES_READER: &str = "SET statement_timeout = '5s'; SET lock_timeout = '2s'";

/// Statements are short and look up rows by index, in memory or on flash. By default Postgres
/// compiles some of them, which takes longer than to run them. By default it also reads whole
/// tables rather than a few thousand rows.
const POSTGRES_PLANNER: &str = "SET jit = off; SET random_page_cost = 1.1";

/// The kind and the location of a database.
#[derive(Clone)]
pub enum Target {
    Sqlite(PathBuf),
    /// A libpq connection URL. It may contain a password.
    Postgres(String),
}

impl Target {
    pub fn name(&self) -> &'static str {
        match self {
            Target::Sqlite(_) => "SQLite",
            Target::Postgres(_) => "Postgres",
        }
    }

    /// Opens a connection that may write, for start-up and tools. A missing SQLite file is created,
    /// readable only by its owner.
    ///
    /// # Errors
    /// `DatabaseAway`, with the file name or the server's own message.
    pub fn open(&self) -> Result<Db> {
        if let Target::Sqlite(path) = self {
            make_private(path).map_err(|error| sqlite_away(path, &error))?;
        }
        self.open_existing()
    }

    /// Opens a connection that may write to an existing database. A file that was moved away while
    /// the hub runs is not replaced by an empty one.
    ///
    /// # Errors
    /// The same as those of [`open`](Self::open).
    pub fn open_existing(&self) -> Result<Db> {
        match self {
            Target::Sqlite(path) => {
                let mut conn = open_sqlite(path)?;
                conn.batch_execute(SQLITE_WRITER)?;
                Ok(Db::Sqlite(conn))
            }
            Target::Postgres(url) => {
                let mut conn = open_postgres(url)?;
                conn.batch_execute(POSTGRES_WRITER)?;
                Ok(Db::Postgres(conn))
            }
        }
    }

    /// Opens a connection to an existing database that refuses to write.
    ///
    /// # Errors
    /// The same as those of [`open`](Self::open).
    pub fn open_for_reading(&self) -> Result<Db> {
        match self {
            Target::Sqlite(path) => {
                let mut conn = open_sqlite(path)?;
                conn.batch_execute(SQLITE_READER)?;
                Ok(Db::Sqlite(conn))
            }
            Target::Postgres(url) => {
                let mut conn = open_postgres(url)?;
                conn.batch_execute(POSTGRES_READER)?;
                Ok(Db::Postgres(conn))
            }
        }
    }
}

fn sqlite_away(path: &Path, error: &dyn Display) -> Error {
    Error::DatabaseAway(format!("cannot open the SQLite database {}: {error}", path.display()).into())
}

fn open_sqlite(path: &Path) -> Result<SqliteConnection> {
    let away = |error: &dyn Display| sqlite_away(path, error);
    // Without this, SQLite would create a missing file.
    let mut conn = SqliteConnection::establish(&existing_file(path)).map_err(|error| away(&error))?;
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = {SQLITE_BUSY_MS};
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA wal_autocheckpoint = {SQLITE_CHECKPOINT_PAGES};"
    ))
    .and_then(|()| begin_log(&mut conn))
    .and_then(|()| time_budget::register(&mut conn))
    .map_err(|error| away(&error))?;
    check_sqlite(&mut conn).map_err(|error| away(&error.cause()))?;
    Ok(conn)
}

/// The file as a URI that opens it for reading and writing only if it exists
/// (<https://sqlite.org/uri.html>).
fn existing_file(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?mode=rw"
}

/// Creates a missing file, readable only by its owner. SQLite gives its -wal and -shm files the
/// same mode. An existing file is not opened: closing it again would release the locks that this
/// process has on it (POSIX fcntl).
fn make_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        // SQLite's own message for this error does not help.
        Err(_) if path.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Err(_) => Ok(()),
    }
}

/// Switches to the write-ahead log. A new file needs a lock for this, and SQLite does not wait for
/// that lock when several processes open the file at once. So a process that finds it taken waits
/// for a lock that SQLite does wait for, and tries again.
fn begin_log(conn: &mut SqliteConnection) -> QueryResult<()> {
    const TRIES: usize = 20;
    let mut outcome = Ok(());
    for _ in 0..TRIES {
        outcome = conn.batch_execute("PRAGMA journal_mode = WAL");
        match &outcome {
            Err(error) if is_busy(error) => conn.batch_execute("BEGIN IMMEDIATE; COMMIT")?,
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

/// Refuses a connection on which a power cut could lose committed data, or on which deleted data
/// could stay in the file.
pub(super) fn check_sqlite(conn: &mut SqliteConnection) -> Result<()> {
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
    conn.batch_execute("SET idle_in_transaction_session_timeout = '30s'; SET client_min_messages = 'warning'")?;
    conn.batch_execute(POSTGRES_PLANNER)?;
    // `failure` compares untranslated messages. If the role may not change this setting, `warnings`
    // says what to do.
    let _ = conn.batch_execute("SET lc_messages = 'C'");
    Ok(conn)
}

/// Adds the libpq deadlines that the URL does not set itself: two seconds to connect. The server
/// counts as gone when a packet is unanswered for five seconds.
pub(super) fn with_deadlines(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return url.to_owned() };
    let set: Vec<String> = url.query_pairs().map(|(key, _)| key.into_owned()).collect();
    for (key, value) in [("connect_timeout", "2"), ("tcp_user_timeout", "5000"), ("application_name", "switchboard")] {
        if !set.iter().any(|name| name == key) {
            url.query_pairs_mut().append_pair(key, value);
        }
    }
    url.into()
}
