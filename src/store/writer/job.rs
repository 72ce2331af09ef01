//! What waits to be written, and where committed batches go.

use super::queue::QueueBounds;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::store::{Cost, Db, Target};
use std::time::{Duration, Instant};

/// A write that waits its turn.
pub trait Job<E>: Send {
    /// Does the work inside a savepoint. May be called again after the
    /// savepoint was rolled back, and must not remember anything of before.
    fn run(&mut self, db: &mut Db) -> Result<Vec<E>>;

    /// After `run` failed and its savepoint is rolled back: the last word.
    /// `Ok` when an earlier success answers this job too.
    fn settle(&mut self, db: &mut Db, error: Error) -> Result<()>;

    /// Tells whoever waits: committed, or why not.
    fn answer(self: Box<Self>, fate: Result<()>);
}

/// What the writer knows of a job without running it.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// For the log.
    pub name: &'static str,
    pub cost: Cost,
    /// Whose share of the queue a heavy job takes; none for the hub itself.
    pub owner: Option<UserId>,
    /// A job that has not begun by then is refused: nobody waits for it any
    /// more, and the client may have sent it again.
    pub deadline: Instant,
}

#[derive(Clone, Copy, Debug)]
pub struct WriterSettings {
    /// Jobs that may wait; one more is refused.
    pub queue: QueueBounds,
    /// Light jobs that share one transaction.
    pub batch: usize,
    /// A batch that has run for so long is committed with the jobs it has; the
    /// others wait for the next.
    pub batch_time: Duration,
}

impl WriterSettings {
    /// Postgres keeps 64 savepoints of a transaction in shared memory (its
    /// `PGPROC_MAX_CACHED_SUBXIDS`) and slows everybody down beyond. Each of
    /// its statements is a round trip, so its batches have more time, and take
    /// fewer of those who log in.
    pub fn for_target(target: &Target) -> Self {
        let queue = |unowned_each_time| QueueBounds { light: 4_096, heavy: 1_024, heavy_each: 64, unowned_each_time };
        match target {
            Target::Sqlite(_) => Self { queue: queue(16), batch: 512, batch_time: Duration::from_millis(10) },
            Target::Postgres(_) => Self { queue: queue(4), batch: 60, batch_time: Duration::from_millis(30) },
        }
    }
}

/// Where committed batches go.
pub trait Publish<E>: Send + 'static {
    /// The events of a committed batch, in commit order, and the answers to
    /// be given once those are delivered; may block to slow the writer down.
    fn publish(&mut self, events: Vec<E>, answers: Vec<Answer>);

    /// A transaction began.
    fn on_begin(&mut self, _: &mut Db) -> Result<()> {
        Ok(())
    }

    /// It is about to be committed; what this writes is part of it.
    fn before_commit(&mut self, _: &mut Db) -> Result<()> {
        Ok(())
    }

    /// A connection was opened in place of one that broke. On an error nothing is
    /// written on it.
    fn on_reopen(&mut self, _: &mut Db) -> Result<()> {
        Ok(())
    }

    /// A COMMIT failed, and nobody knows whether it happened: if it did, its
    /// events were never told.
    fn doubt(&mut self) {}
}

/// Tells one asker what became of their job.
pub type Answer = Box<dyn FnOnce() + Send>;
