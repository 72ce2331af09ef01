//! Runs one job in its own savepoint, and decides which errors end the whole batch.

use super::job::WriteJob;
use crate::error::{Error, Result};
use crate::store::Db;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The reason why a whole transaction failed.
pub(crate) enum Failure {
    /// A deadlock or serialization failure. It is safe to run the jobs again.
    LostToOthers,
    /// The database refused the transaction and committed nothing. The connection still works. One
    /// of the jobs may be the cause.
    RolledBack(Error),
    /// Nothing was committed, and the connection is unusable.
    Broken(Error),
    /// The COMMIT was not answered.
    UnknownCommit(Error),
}

/// Runs one job in its own savepoint, which stays open if the job succeeds. `is_one_open` says
/// whether the one of the job before is. The outer failure ends the batch. A transaction must not
/// be committed after a savepoint could not be begun, released or rolled back.
pub(crate) fn run_one<E>(
    db: &mut Db,
    job: &mut dyn WriteJob<E>,
    is_one_open: &mut bool,
) -> Result<Result<Vec<E>>, Failure> {
    db.begin_savepoint(std::mem::replace(is_one_open, true))?;
    match end_of_batch(guarded(|| job.run(db)))? {
        Ok(events) => Ok(Ok(events)),
        Err(error) => {
            db.roll_back_savepoint()?;
            // `resolve` only reads. It has a savepoint too: on Postgres a statement that fails
            // outside a savepoint aborts the whole transaction.
            db.begin_savepoint(false)?;
            let resolved = end_of_batch(guarded(|| job.resolve(db, error)))?;
            db.roll_back_savepoint()?;
            *is_one_open = false;
            Ok(resolved.map(|()| Vec::new()))
        }
    }
}

/// Catches a panic, so that one operation does not end the writer for all users.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::bug("an operation panicked")))
}

/// Separates the errors that end the batch from those of one job.
pub(crate) fn end_of_batch<T>(outcome: Result<T>) -> Result<Result<T>, Failure> {
    match outcome {
        Err(Error::Contention(_)) => Err(Failure::LostToOthers),
        // SQLite may have rolled everything back.
        Err(error @ Error::DatabaseFull(_)) => Err(Failure::RolledBack(error)),
        // The other jobs would fail the same way.
        Err(error @ Error::DatabaseAway(_)) => Err(Failure::Broken(error)),
        outcome => Ok(outcome),
    }
}
