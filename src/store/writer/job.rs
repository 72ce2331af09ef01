//! The jobs that wait to be written, and the destination of committed batches.

use super::queue::QueueBounds;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::store::{Cost, Db, Target};
use std::time::{Duration, Instant};

/// A write that waits for its turn.
pub trait WriteJob<E>: Send {
    /// Does the work inside a savepoint. The writer may call it again after it rolled the savepoint
    /// back, so it must not keep state from an earlier run.
    fn run(&mut self, db: &mut Db) -> Result<Vec<E>>;

    /// Runs after `run` failed and its savepoint was rolled back, and decides the final result.
    /// `Ok` when an earlier success answers this job too.
    fn resolve(&mut self, db: &mut Db, error: Error) -> Result<()>;

    /// Sends the result to the waiting caller: committed, or the error.
    fn answer(self: Box<Self>, result: Result<()>);
}

/// The facts about a job that the writer knows without running it.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The name for the log.
    pub name: &'static str,
    pub cost: Cost,
    /// The user whose share of the queue a heavy job takes. `None` for the hub itself.
    pub owner: Option<UserId>,
    /// A job that has not begun by this time is refused. Its caller does not wait any longer, and
    /// the client may have sent it again.
    pub deadline: Instant,
}

#[derive(Clone, Copy, Debug)]
pub struct WriterSettings {
    /// The number of jobs that may wait. One more is refused.
    pub queue: QueueBounds,
    /// The number of light jobs that share one transaction.
    pub batch: usize,
    /// A batch that has run for this long is committed with the jobs it has. The other jobs wait
    /// for the next batch.
    pub batch_time: Duration,
}

impl WriterSettings {
    /// The settings for this database. Postgres keeps 64 savepoints of a transaction in shared
    /// memory (its `PGPROC_MAX_CACHED_SUBXIDS`) and slows all users down beyond that. Each of its
    /// statements is a round trip. So its batches have more time, and take fewer jobs of users who
    /// log in.
    pub fn for_target(target: &Target) -> Self {
        let queue = |unowned_each_time| QueueBounds { light: 4_096, heavy: 1_024, heavy_each: 64, unowned_each_time };
        match target {
            Target::Sqlite(_) => Self { queue: queue(16), batch: 512, batch_time: Duration::from_millis(10) },
            Target::Postgres(_) => Self { queue: queue(4), batch: 60, batch_time: Duration::from_millis(30) },
        }
    }
}

/// The destination of committed batches.
pub trait Publish<E>: Send + 'static {
    /// Publishes the events of a committed batch, in commit order, and the answers to send once the
    /// events are delivered. It may block to slow the writer down.
    fn publish(&mut self, events: Vec<E>, answers: Vec<Answer>);

    /// Runs when a transaction began.
    fn on_begin(&mut self, _: &mut Db) -> Result<()> {
        Ok(())
    }

    /// Runs when the transaction is about to be committed. Its writes are part of the transaction.
    fn before_commit(&mut self, _: &mut Db) -> Result<()> {
        Ok(())
    }

    /// Runs when a connection was opened in place of a broken one. On an error nothing is written
    /// on it.
    fn on_reopen(&mut self, _: &mut Db) -> Result<()> {
        Ok(())
    }

    /// Runs when a COMMIT failed with an unknown result. If the transaction was committed, its
    /// events were never sent.
    fn on_unknown_commit(&mut self) {}
}

/// Sends one caller the result of their job.
pub type Answer = Box<dyn FnOnce() + Send>;
