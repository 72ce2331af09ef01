//! A connection to either database, and the settings that every connection has.
//!
//! SQLite uses a write-ahead log and `synchronous=FULL`. Both are read back and checked on each
//! connection, because a power cut loses acknowledged messages with any weaker setting. Deleted
//! content is overwritten, because users delete what no user may read again. Postgres has deadlines
//! on connecting, on locks and on statements.

use super::failure::leaves_commit_unknown;
use crate::error::{Error, Result};
use crate::store::messaging::statements::{BeginSavepoint, ReleaseSavepoint};
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::Text;
use std::num::NonZeroU32;

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

/// The reason why a COMMIT failed.
pub(crate) enum CommitFailure {
    /// The database rolled the transaction back and gave the reason.
    RolledBack(Error),
    /// The transaction may have been committed.
    Unknown(Error),
}

/// An open connection.
pub enum Db {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Db {
    /// Releases the pages that SQLite keeps in memory. The pages of a heavy read are of no use to
    /// the next read.
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
            // IMMEDIATE: a transaction that reads first and then writes could otherwise fail with a
            // busy error in the middle.
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

    /// Begins the savepoint of a job inside a transaction, and first ends the one of the job before
    /// if it is still open. On Postgres both take one round trip. On SQLite the statements are
    /// prepared once for each connection. A commit ends an open savepoint too.
    pub(crate) fn begin_savepoint(&mut self, is_one_open: bool) -> QueryResult<()> {
        match (self, is_one_open) {
            (Db::Sqlite(conn), true) => {
                ReleaseSavepoint.execute(conn).and_then(|_| BeginSavepoint.execute(conn)).map(drop)
            }
            (Db::Sqlite(conn), false) => BeginSavepoint.execute(conn).map(drop),
            (Db::Postgres(conn), true) => conn.batch_execute("RELEASE SAVEPOINT job; SAVEPOINT job"),
            (Db::Postgres(conn), false) => conn.batch_execute("SAVEPOINT job"),
        }
    }

    /// Rolls back the changes of a job, and ends its savepoint. SQLite fails if it rolled back the
    /// whole transaction by itself.
    pub(crate) fn roll_back_savepoint(&mut self) -> QueryResult<()> {
        on!(self, conn => conn.batch_execute("ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job"))
    }

    /// Commits the transaction.
    pub(crate) fn commit(&mut self) -> QueryResult<()> {
        on!(self, conn => AnsiTransactionManager::commit_transaction(conn))
    }

    /// Rolls back the transaction.
    pub(crate) fn roll_back(&mut self) -> QueryResult<()> {
        on!(self, conn => AnsiTransactionManager::rollback_transaction(conn))
    }

    /// Commits a transaction begun by `begin_write`. A transaction that fails to commit has ended
    /// too.
    pub(crate) fn commit_write(&mut self) -> Result<(), CommitFailure> {
        let Err(error) = self.commit() else { return Ok(()) };
        if leaves_commit_unknown(&error) || self.roll_back_all().is_err() {
            return Err(CommitFailure::Unknown(error.into()));
        }
        Err(CommitFailure::RolledBack(error.into()))
    }

    /// Rolls back the transaction and all savepoints. SQLite may already have rolled back by itself.
    pub(crate) fn roll_back_all(&mut self) -> QueryResult<()> {
        loop {
            let Some(depth) = self.depth()? else { return Ok(()) };
            let outcome = self.roll_back();
            if self.depth()?.is_some_and(|left| left >= depth) {
                return outcome;
            }
        }
    }

    /// The number of open transactions and savepoints.
    fn depth(&mut self) -> QueryResult<Option<NonZeroU32>> {
        on!(self, conn => {
            let status = AnsiTransactionManager::transaction_manager_status_mut(conn);
            status.transaction_depth()
        })
    }

    /// Runs `work` in one write transaction, for start-up and tools. The running hub writes through
    /// the writer.
    pub fn write_transaction<T>(&mut self, work: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
        self.begin_write()?;
        self.finish(work)
    }

    /// Runs `work` in one read-only transaction. All of `work` sees one snapshot.
    pub fn snapshot<T>(&mut self, work: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
        self.begin_snapshot()?;
        self.finish(work)
    }

    fn finish<T>(&mut self, work: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
        let outcome = work(self);
        match outcome {
            Ok(value) => self.commit().map(|()| value).map_err(Error::from),
            Err(error) => {
                // The first error is the one to report. A failed rollback leaves the connection
                // broken, and the pool discards it.
                let _ = self.roll_back();
                Err(error)
            }
        }
    }

    /// Warnings for the operator: a Postgres that may lose committed messages, or messages of the
    /// server that we cannot read. Empty when there is nothing to warn about.
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

/// Whether a server with this `lc_messages` sends its messages untranslated, as in its source code.
fn is_untranslated(lc_messages: &str) -> bool {
    let language = lc_messages.split(['_', '.', '@']).next().unwrap_or_default();
    ["", "C", "POSIX", "en"].contains(&language)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::connection::target::{Target, check_sqlite, with_deadlines};
    use diesel::sql_types::BigInt;

    #[test]
    fn only_english_locales_count_as_untranslated() {
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
    fn a_new_sqlite_file_is_private_and_connections_are_durable() {
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
    fn only_the_writing_connection_has_a_large_page_cache() {
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
            // A negative value is in KiB.
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
