//! A connection to either database, and what holds on every one of them.
//!
//! SQLite: write-ahead log and `synchronous=FULL`, read back and checked each
//! time, because with anything less a power cut loses acknowledged messages;
//! what is deleted is overwritten, because people delete what nobody shall read.
//! Postgres: deadlines on connecting, on locks and on statements.

use super::failure::{is_busy, leaves_commit_unknown};
use super::time_budget;
use crate::error::{Error, Result};
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io;
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use url::Url;

/// Runs the same Diesel expression on whichever database `$db` is.
macro_rules! on {
    ($db:expr, $conn:ident => $expression:expr) => {
        match $db {
            $crate::store::Db::Sqlite($conn) => $expression,
            $crate::store::Db::Postgres($conn) => $expression,
        }
    };
}
pub(crate) use on;

/// How long SQLite waits for another process's lock (requirement of its own
/// documentation for several writers: seconds, not zero).
const SQLITE_BUSY_MS: u32 = 5_000;

/// Pages SQLite keeps in memory for the one connection that writes, as far as
/// they are used: 64 MiB. With its default of 2 MiB the writer reads index pages
/// back from the file for every batch.
const SQLITE_WRITER: &str = "PRAGMA cache_size = -65536";
/// And for each that reads, 2 MiB: there are many, and what they have in common
/// is in the system's cache anyway.
const SQLITE_READER: &str = "PRAGMA cache_size = -2048; PRAGMA query_only = ON";

/// Pages in the write-ahead log before the writer itself copies into the database
/// those that `checkpoints` has not, and begins the log anew. Batches of busy
/// conversations write the same pages again and again, and each is copied once:
/// 32 MiB, eight times the default.
const SQLITE_CHECKPOINT_PAGES: u32 = 8_192;

/// Which database, and where.
#[derive(Clone)]
pub enum Target {
    Sqlite(PathBuf),
    /// A libpq connection URL; may hold a password.
    Postgres(String),
}

/// Why a COMMIT failed.
pub(crate) enum CommitFailure {
    /// The database rolled the transaction back and said why.
    RolledBack(Error),
    /// It may have happened.
    Unknown(Error),
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
    /// by its owner alone: for start-up and tools.
    ///
    /// # Errors
    /// `DatabaseAway`, naming the file or the server's own words.
    pub fn open(&self) -> Result<Db> {
        if let Target::Sqlite(path) = self {
            make_private(path).map_err(|error| sqlite_away(path, &error))?;
        }
        self.open_existing()
    }

    /// A connection that may write to a database that is there: a file that was
    /// moved away while the hub runs is not replaced by an empty one.
    ///
    /// # Errors
    /// As those of [`open`](Self::open).
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

    /// A connection to a database that is there, which refuses to write.
    ///
    /// # Errors
    /// As those of [`open`](Self::open).
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
    // Without this, SQLite would make a file that is not there.
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

/// A writer waits for a lock for longer than Postgres takes to find a deadlock
/// (`deadlock_timeout`, a second), so that one is told as that.
const POSTGRES_WRITER: &str = "SET statement_timeout = '10s'; SET lock_timeout = '2s'";
/// A reader takes no locks, and one that takes longer keeps others waiting.
const POSTGRES_READER: &str = "SET statement_timeout = '5s'; SET lock_timeout = '2s'";

/// Statements are short and look rows up by index, in memory or on flash. By default Postgres
/// compiles some of them, which takes longer than to run them, and reads whole tables rather than
/// a few thousand rows.
const POSTGRES_PLANNER: &str = "SET jit = off; SET random_page_cost = 1.1";

fn open_postgres(url: &str) -> Result<PgConnection> {
    let mut conn = PgConnection::establish(&with_deadlines(url))
        .map_err(|error| Error::DatabaseAway(format!("cannot connect to Postgres: {error}").into()))?;
    conn.batch_execute("SET idle_in_transaction_session_timeout = '30s'; SET client_min_messages = 'warning'")?;
    conn.batch_execute(POSTGRES_PLANNER)?;
    // What `failure` compares is not translated. Where the role may not ask for
    // this, `warnings` says what to do.
    let _ = conn.batch_execute("SET lc_messages = 'C'");
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
    /// Gives back the pages that SQLite keeps in memory: those of a heavy read are of no use
    /// to the next one.
    pub(crate) fn release_memory(&mut self) {
        if let Db::Sqlite(conn) = self
            && let Err(error) = conn.batch_execute("PRAGMA shrink_memory")
        {
            log::debug!("a connection keeps its memory: {error}");
        }
    }

    /// Whether other nodes may write at the same time.
    pub fn has_other_writers(&self) -> bool {
        matches!(self, Db::Postgres(_))
    }

    pub(crate) fn begin_write(&mut self) -> QueryResult<()> {
        match self {
            // Immediate: a transaction that reads first and then writes could
            // otherwise fail busy in the middle.
            Db::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE"),
            Db::Postgres(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN"),
        }
    }

    pub(crate) fn begin_snapshot(&mut self) -> QueryResult<()> {
        match self {
            Db::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN"),
            Db::Postgres(conn) => {
                AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            }
        }
    }

    /// Inside a transaction: begins a savepoint.
    pub(crate) fn begin_savepoint(&mut self) -> QueryResult<()> {
        on!(self, conn => AnsiTransactionManager::begin_transaction(conn))
    }

    /// Commits the innermost transaction or releases the innermost savepoint.
    pub(crate) fn commit(&mut self) -> QueryResult<()> {
        on!(self, conn => AnsiTransactionManager::commit_transaction(conn))
    }

    /// Rolls back the innermost transaction or savepoint.
    pub(crate) fn roll_back(&mut self) -> QueryResult<()> {
        on!(self, conn => AnsiTransactionManager::rollback_transaction(conn))
    }

    /// Commits a transaction begun by `begin_write`; one that fails is over too.
    pub(crate) fn commit_write(&mut self) -> Result<(), CommitFailure> {
        let Err(error) = self.commit() else { return Ok(()) };
        if leaves_commit_unknown(&error) || self.roll_back_all().is_err() {
            return Err(CommitFailure::Unknown(error.into()));
        }
        Err(CommitFailure::RolledBack(error.into()))
    }

    /// Rolls back the transaction, and the savepoint where one is open. SQLite
    /// may have done so by itself.
    pub(crate) fn roll_back_all(&mut self) -> QueryResult<()> {
        loop {
            let Some(depth) = self.depth()? else { return Ok(()) };
            let outcome = self.roll_back();
            if self.depth()?.is_some_and(|left| left >= depth) {
                return outcome;
            }
        }
    }

    /// How many transactions and savepoints are open.
    fn depth(&mut self) -> QueryResult<Option<NonZeroU32>> {
        on!(self, conn => {
            let status = AnsiTransactionManager::transaction_manager_status_mut(conn);
            status.transaction_depth()
        })
    }

    /// One write transaction around `work`; for start-up and tools. The
    /// running hub writes through the writer.
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
    /// messages, or whose answers we cannot read; empty when there is nothing to
    /// warn about.
    pub fn warnings(&mut self) -> Result<Vec<String>> {
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
        let mut warnings: Vec<String> = off
            .into_iter()
            .map(|Setting { name }| format!("Postgres runs with {name} off: a crash can lose acknowledged messages"))
            .collect();
        let language: Setting = diesel::sql_query("SELECT current_setting('lc_messages') AS name").get_result(conn)?;
        if !is_untranslated(&language.name) {
            warnings.push(format!(
                "Postgres answers in {}: waits for a lock that take too long are told as internal errors. \
                 Use lc_messages = 'C' in Postgres, or let the hub's role choose it",
                language.name
            ));
        }
        Ok(warnings)
    }
}

/// Whether a server with this `lc_messages` gives its messages as they are in
/// its sources.
fn is_untranslated(lc_messages: &str) -> bool {
    let language = lc_messages.split(['_', '.', '@']).next().unwrap_or_default();
    ["", "C", "POSIX", "en"].contains(&language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_english_is_untranslated() {
        assert!(["", "C", "C.UTF-8", "POSIX", "en_US.UTF-8", "en_GB", "en"].into_iter().all(is_untranslated));
        assert!(!["de_DE.UTF-8", "fr", "es_ES@euro", "engl"].into_iter().any(is_untranslated));
    }

    #[test]
    fn a_file_that_was_moved_away_is_not_replaced_by_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("a ?#%ü.db"), dir.path().join("moved.db"));
        let target = Target::Sqlite(path.clone());
        drop(target.open().unwrap());
        for open in [Target::open_existing, Target::open_for_reading] {
            drop(open(&target).expect("any name can be opened"));
            std::fs::rename(&path, &moved).unwrap();
            assert!(matches!(open(&target), Err(Error::DatabaseAway(_))));
            assert!(!path.exists());
            std::fs::rename(&moved, &path).unwrap();
        }
    }

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
    fn only_the_connection_that_writes_keeps_many_pages() {
        #[derive(QueryableByName)]
        struct Cache {
            #[diesel(sql_type = BigInt)]
            cache_size: i64,
        }
        let dir = tempfile::tempdir().unwrap();
        let target = Target::Sqlite(dir.path().join("a.db"));
        drop(target.open().unwrap());
        let kept = |db: Result<Db>| {
            let Ok(Db::Sqlite(mut conn)) = db else { panic!("SQLite opens") };
            let cache: Cache =
                diesel::sql_query("SELECT cache_size FROM pragma_cache_size").get_result(&mut conn).unwrap();
            // In KiB, where negative.
            -cache.cache_size
        };
        assert_eq!((kept(target.open_existing()), kept(target.open_for_reading())), (65_536, 2_048));
    }

    #[test]
    fn a_reading_connection_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::Sqlite(dir.path().join("a.db"));
        drop(target.open().unwrap());
        let Ok(Db::Sqlite(mut conn)) = target.open_for_reading() else { panic!("SQLite opens") };
        assert!(conn.batch_execute("CREATE TABLE t (x)").is_err());
    }
}
