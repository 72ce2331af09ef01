//! Connections for reading, lent for one snapshot at a time.
//!
//! Whoever waits, waits in async code before the pool, never on a thread, and
//! at most `MAX_WAIT`; then the answer is `unavailable`.

use super::{Db, Target};
use crate::error::{Error, Result};
use diesel::r2d2::{ManageConnection, Pool};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

const MAX_WAIT: Duration = Duration::from_secs(2);

/// A pool of read-only connections; cheap to clone.
#[derive(Clone)]
pub struct Reads {
    pool: Pool<Opener>,
    permits: Arc<Semaphore>,
}

impl Reads {
    /// Opens one connection at once, to learn early that the database
    /// answers, and up to `size` as they are needed.
    pub fn open(target: Target, size: u32) -> Result<Self> {
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(MAX_WAIT)
            .build(Opener(target))
            .map_err(away)?;
        Ok(Self { pool, permits: Arc::new(Semaphore::new(size as usize)) })
    }

    /// Runs `work` on a blocking thread inside one read-only transaction.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T> + Send + 'static,
    {
        let permit = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| Error::Unavailable("all database connections are in use"))?
            .map_err(|_| Error::bug("the semaphore of the read pool is never closed"))?;
        let pool = self.pool.clone();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut db = pool.get().map_err(away)?;
            db.snapshot(work)
        })
        .await
        .map_err(|panic| Error::Internal(panic.into()))?
    }
}

fn away(error: impl std::fmt::Display) -> Error {
    Error::DatabaseAway(error.to_string().into())
}

struct Opener(Target);

impl ManageConnection for Opener {
    type Connection = Db;
    type Error = Error;

    fn connect(&self) -> Result<Db> {
        self.0.open_for_reading()
    }

    fn is_valid(&self, db: &mut Db) -> Result<()> {
        match db {
            // A file does not go away between two reads.
            Db::Sqlite(_) => Ok(()),
            Db::Postgres(_) => super::probe(db),
        }
    }

    fn has_broken(&self, db: &mut Db) -> bool {
        use diesel::r2d2::R2D2Connection;
        super::on!(db, conn => conn.is_broken())
    }
}
