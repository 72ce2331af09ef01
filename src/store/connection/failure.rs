//! Classifies failed statements by SQLSTATE and by SQLite's result codes.
//!
//! Diesel keeps neither code. It reports some errors as a kind, and the rest as text. SQLite's
//! texts are compiled in, one for each result code, and are compared with the library's own table.
//! The texts of Postgres are compared whole. `conn` asks Postgres for the untranslated ones.

use super::time_budget::SPENT;
use crate::error::Error;
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind as Kind, Error as DieselError};
use libsqlite3_sys as sqlite;
use std::os::raw::c_int;

/// Postgres' own messages for SQLSTATE 40P01, 55P03 and 57014 (`deadlock_detected`,
/// `lock_not_available`, `query_canceled`).
const DEADLOCK: &str = "deadlock detected";
const TIMEOUTS: [&str; 3] = [
    "canceling statement due to lock timeout",
    "canceling statement due to statement timeout",
    "canceling statement due to user request",
];
/// SQLSTATE 53100 (`disk_full`). The message differs for each kind of file. The hint is always the
/// same, or else the message ends with the text of the operating system.
const NO_SPACE_HINT: &str = "Check free disk space.";
const NO_SPACE_END: &str = ": No space left on device";

/// The primary result codes of SQLite that we distinguish.
const SQLITE_CODES: [c_int; 7] = [
    sqlite::SQLITE_BUSY,
    sqlite::SQLITE_LOCKED,
    sqlite::SQLITE_FULL,
    sqlite::SQLITE_READONLY,
    sqlite::SQLITE_IOERR,
    sqlite::SQLITE_CANTOPEN,
    sqlite::SQLITE_INTERRUPT,
];

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        let (kind, info) = match &error {
            DieselError::NotFound => return Error::NotFound("not found"),
            DieselError::BrokenTransactionManager => return Error::DatabaseAway(error.into()),
            DieselError::RollbackErrorOnCommit { commit_error, .. } => match &**commit_error {
                DieselError::DatabaseError(kind, info) => (kind, info),
                _ => return Error::DatabaseAway(error.into()),
            },
            DieselError::DatabaseError(kind, info) => (kind, info),
            _ => return Error::Internal(error.into()),
        };
        match meaning(kind, info.as_ref()) {
            Meaning::Exists => Error::Conflict("exists already"),
            Meaning::Contention => Error::Contention(error.into()),
            Meaning::Busy => Error::DatabaseBusy(error.into()),
            Meaning::Full => Error::DatabaseFull(error.into()),
            Meaning::ReadOnly => Error::DatabaseReadOnly(error.into()),
            Meaning::Away | Meaning::Io => Error::DatabaseAway(error.into()),
            Meaning::Other => Error::Internal(error.into()),
        }
    }
}

/// Whether a transaction may be committed although its COMMIT failed with this error: the answer
/// was lost, or a file could not be synced. Every other error is an answer of the database, which
/// rolled back.
pub(crate) fn leaves_commit_unknown(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(kind, info) => matches!(meaning(kind, info.as_ref()), Meaning::Away | Meaning::Io),
        DieselError::RollbackErrorOnCommit { commit_error, .. } => leaves_commit_unknown(commit_error),
        _ => true,
    }
}

/// Whether another connection holds the lock that SQLite needs.
pub(crate) fn is_busy(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(kind, info) if matches!(meaning(kind, info.as_ref()), Meaning::Busy))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Exists,
    /// The transaction was rolled back so that another one may continue.
    Contention,
    /// A lock or a statement took too long. The connection still works.
    Busy,
    Full,
    ReadOnly,
    Away,
    /// A file could not be read, written or synced.
    Io,
    Other,
}

fn meaning(kind: &Kind, info: &dyn DatabaseErrorInformation) -> Meaning {
    match kind {
        Kind::UniqueViolation => Meaning::Exists,
        Kind::SerializationFailure => Meaning::Contention,
        Kind::ReadOnlyTransaction => Meaning::ReadOnly,
        Kind::ClosedConnection | Kind::UnableToSendCommand => Meaning::Away,
        Kind::Unknown => of_postgres(info).or_else(|| of_sqlite(info.message())).unwrap_or(Meaning::Other),
        _ => Meaning::Other,
    }
}

fn of_postgres(info: &dyn DatabaseErrorInformation) -> Option<Meaning> {
    match info.message() {
        DEADLOCK => Some(Meaning::Contention),
        message if TIMEOUTS.contains(&message) => Some(Meaning::Busy),
        message if message.ends_with(NO_SPACE_END) => Some(Meaning::Full),
        _ if info.hint() == Some(NO_SPACE_HINT) => Some(Meaning::Full),
        _ => None,
    }
}

fn of_sqlite(message: &str) -> Option<Meaning> {
    if message == SPENT {
        return Some(Meaning::Busy);
    }
    let code = SQLITE_CODES.into_iter().find(|code| sqlite::code_to_str(*code) == message)?;
    Some(match code {
        sqlite::SQLITE_FULL => Meaning::Full,
        sqlite::SQLITE_READONLY => Meaning::ReadOnly,
        sqlite::SQLITE_IOERR => Meaning::Io,
        sqlite::SQLITE_CANTOPEN => Meaning::Away,
        _ => Meaning::Busy,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scratch::{Scratch, execute};

    fn unknown(message: &str) -> DieselError {
        DieselError::DatabaseError(Kind::Unknown, Box::new(message.to_owned()))
    }

    #[test]
    fn each_result_code_of_sqlite_has_its_meaning() {
        let error = |code| Error::from(unknown(sqlite::code_to_str(code)));
        assert!(matches!(error(sqlite::SQLITE_BUSY), Error::DatabaseBusy(_)));
        assert!(matches!(error(sqlite::SQLITE_LOCKED), Error::DatabaseBusy(_)));
        assert!(matches!(error(sqlite::SQLITE_FULL), Error::DatabaseFull(_)));
        assert!(matches!(error(sqlite::SQLITE_READONLY), Error::DatabaseReadOnly(_)));
        assert!(matches!(error(sqlite::SQLITE_IOERR), Error::DatabaseAway(_)));
        assert!(matches!(error(sqlite::SQLITE_CANTOPEN), Error::DatabaseAway(_)));
        assert!(matches!(error(sqlite::SQLITE_TOOBIG), Error::Internal(_)));
    }

    #[test]
    fn an_error_is_not_classified_by_words_inside_its_message() {
        for message in ["no such table: database is locked", "deadlock detected?", "disk I/O error in a title"] {
            assert!(matches!(Error::from(unknown(message)), Error::Internal(_)), "{message}");
        }
    }

    #[test]
    fn only_a_lost_connection_or_failed_sync_is_an_unknown_commit() {
        let lost = DieselError::DatabaseError(Kind::ClosedConnection, Box::new(String::new()));
        let unsynced = unknown(sqlite::code_to_str(sqlite::SQLITE_IOERR));
        assert!(leaves_commit_unknown(&lost) && leaves_commit_unknown(&unsynced));
        let wrapped = |error| DieselError::RollbackErrorOnCommit {
            rollback_error: Box::new(DieselError::NotInTransaction),
            commit_error: Box::new(error),
        };
        assert!(leaves_commit_unknown(&wrapped(lost)));
        for code in [sqlite::SQLITE_FULL, sqlite::SQLITE_BUSY, sqlite::SQLITE_READONLY] {
            assert!(!leaves_commit_unknown(&unknown(sqlite::code_to_str(code))));
            assert!(!leaves_commit_unknown(&wrapped(unknown(sqlite::code_to_str(code)))));
        }
        let constraint = DieselError::DatabaseError(Kind::ForeignKeyViolation, Box::new(String::new()));
        assert!(!leaves_commit_unknown(&constraint));
    }

    #[test]
    fn postgres_timeout_and_full_disk_messages_are_recognized() {
        let scratch = Scratch::postgres();
        let mut db = scratch.open();
        let mut fails = |sql: &str| Error::from(execute(&mut db, sql).expect_err("it fails"));
        let slow = fails("SET statement_timeout = '1ms'; SELECT pg_sleep(1)");
        assert!(matches!(slow, Error::DatabaseBusy(_)), "{slow}");
        let extending = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100',
                         MESSAGE = 'could not extend file \"base/1/2\": No space left on device'; END $$";
        let full = fails(extending);
        assert!(matches!(full, Error::DatabaseFull(_)), "{full}");
        let hinted = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file',
                      HINT = 'Check free disk space.'; END $$";
        let full = fails(hinted);
        assert!(matches!(full, Error::DatabaseFull(_)), "{full}");
    }
}
