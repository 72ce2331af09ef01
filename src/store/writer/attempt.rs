//! One job in a savepoint of its own, and what ends the whole batch.

use super::job::Job;
use crate::error::{Error, Result};
use crate::store::Db;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a whole transaction came to nothing.
pub(crate) enum Failure {
    /// A deadlock or serialization failure: safe to run again.
    LostToOthers,
    /// The database refused it and nothing was committed; the connection is
    /// fine. One of its jobs may be the cause.
    RolledBack(Error),
    /// Nothing was committed, and the connection is of no more use.
    Broken(Error),
    /// COMMIT was not answered.
    InDoubt(Error),
}

/// Runs one job in a savepoint of its own. The outer failure ends the batch:
/// a savepoint that cannot be begun, released or rolled back leaves the
/// transaction in a state that nobody may commit.
pub(crate) fn run_one<E>(db: &mut Db, job: &mut dyn Job<E>) -> Result<Result<Vec<E>>, Failure> {
    db.begin_savepoint()?;
    match end_of_batch(guarded(|| job.run(db)))? {
        Ok(events) => {
            db.commit()?;
            Ok(Ok(events))
        }
        Err(error) => {
            db.roll_back()?;
            // The last word reads only. It has a savepoint too: on Postgres a
            // statement that fails outside of one dooms the whole transaction.
            db.begin_savepoint()?;
            let settled = end_of_batch(guarded(|| job.settle(db, error)))?;
            db.roll_back()?;
            Ok(settled.map(|()| Vec::new()))
        }
    }
}

/// A panic in one operation must not take the writer, and everybody, with it.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::bug("an operation panicked")))
}

/// Sorts out the errors that are not the job's alone.
pub(crate) fn end_of_batch<T>(outcome: Result<T>) -> Result<Result<T>, Failure> {
    match outcome {
        Err(Error::Contention(_)) => Err(Failure::LostToOthers),
        // SQLite may have rolled everything back.
        Err(error @ Error::DatabaseFull(_)) => Err(Failure::RolledBack(error)),
        // The others would fail the same way.
        Err(error @ Error::DatabaseAway(_)) => Err(Failure::Broken(error)),
        outcome => Ok(outcome),
    }
}
