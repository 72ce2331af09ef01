//! The write lane: one thread that takes whatever waits, runs it in one
//! transaction and commits once.
//!
//! Acknowledged means committed, and a commit is a flush to disk, so many
//! writes share one. A lone write commits at once; no timer adds latency.
//! Each job runs in a savepoint of its own: one that fails disturbs nobody. A
//! failed COMMIT fails the whole batch and is never tried again, because its
//! outcome is unknown; with a `client_message_id` the client may repeat.

use super::{Db, Target};
use crate::error::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

/// How often a job that lost to a deadlock is run again by itself.
const MAX_RERUNS: usize = 3;

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

#[derive(Clone, Copy, Debug)]
pub struct LaneSettings {
    /// Jobs that may wait; one more is refused with `unavailable`.
    pub queue: usize,
    /// Jobs that share one transaction.
    pub batch: usize,
}

impl LaneSettings {
    /// Postgres keeps 64 savepoints of a transaction in shared memory (its
    /// `PGPROC_MAX_CACHED_SUBXIDS`) and slows everybody down beyond; SQLite's
    /// batches are bounded by what one checkpoint of the log may delay.
    pub fn for_target(target: &Target) -> Self {
        match target {
            Target::Sqlite(_) => Self { queue: 4_096, batch: 256 },
            Target::Postgres(_) => Self { queue: 4_096, batch: 60 },
        }
    }
}

/// The sending end; cheap to clone. The thread ends when the last is dropped
/// and everything queued is done.
pub struct Lane<E> {
    queue: SyncSender<Box<dyn Job<E>>>,
}

impl<E> Clone for Lane<E> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<E: Send + 'static> Lane<E> {
    /// Starts the thread with a connection of its own. `publish` gets the
    /// events of each committed batch, in commit order, before anybody in the
    /// batch is answered; it may block to slow the lane down.
    pub fn start(
        target: Target,
        settings: LaneSettings,
        publish: impl FnMut(Vec<E>) + Send + 'static,
    ) -> Result<(Self, thread::JoinHandle<()>)> {
        let db = Some(target.open()?);
        let (queue, waiting) = sync_channel(settings.queue);
        let mut worker = Worker { target, db, publish };
        let thread = thread::Builder::new()
            .name("write-lane".into())
            .spawn(move || worker.work(&waiting, settings.batch))
            .map_err(|error| Error::Internal(error.into()))?;
        Ok((Self { queue }, thread))
    }

    /// Queues a job, or hands it its refusal at once.
    pub fn submit(&self, job: Box<dyn Job<E>>) {
        match self.queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => job.answer(Err(Error::Unavailable("too many writes are waiting"))),
            Err(TrySendError::Disconnected(job)) => job.answer(Err(Error::Unavailable("the hub is stopping"))),
        }
    }
}

struct Worker<P> {
    target: Target,
    /// None after the connection broke: the next batch opens another.
    db: Option<Db>,
    publish: P,
}

impl<P> Worker<P> {
    fn work<E>(&mut self, waiting: &Receiver<Box<dyn Job<E>>>, batch: usize)
    where
        P: FnMut(Vec<E>),
    {
        while let Ok(first) = waiting.recv() {
            let jobs = std::iter::once(first).chain(waiting.try_iter().take(batch - 1)).collect();
            self.commit(jobs, 0);
        }
    }

    /// Runs the jobs in one transaction; answers every one of them.
    fn commit<E>(&mut self, mut jobs: Vec<Box<dyn Job<E>>>, reruns: usize)
    where
        P: FnMut(Vec<E>),
    {
        match self.run_all(&mut jobs) {
            Ok(outcomes) => {
                let mut events = Vec::new();
                let fates: Vec<_> =
                    outcomes.into_iter().map(|outcome| outcome.map(|mut made| events.append(&mut made))).collect();
                if !events.is_empty() {
                    (self.publish)(events);
                }
                jobs.into_iter().zip(fates).for_each(|(job, fate)| job.answer(fate));
            }
            Err(Failure::LostToOthers) if reruns < MAX_RERUNS => {
                jobs.into_iter().for_each(|job| self.commit(vec![job], reruns + 1));
            }
            Err(Failure::LostToOthers) => refuse(jobs, "the database is busy"),
            Err(Failure::Broken(error)) => {
                log::error!("a batch of {} writes failed: {error}", jobs.len());
                self.db = None;
                refuse(jobs, "the database is away");
            }
        }
    }

    /// One outcome for each job, all of them committed. On failure nothing is
    /// committed, or, where COMMIT itself failed, nobody knows.
    fn run_all<E>(&mut self, jobs: &mut [Box<dyn Job<E>>]) -> Result<Vec<Result<Vec<E>>>, Failure> {
        let db = match &mut self.db {
            Some(db) => db,
            none => none.insert(self.target.open()?),
        };
        db.begin_write()?;
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs {
            match run_one(db, job.as_mut()) {
                Err(Error::Contention(_)) => {
                    db.roll_back()?;
                    return Err(Failure::LostToOthers);
                }
                // The others would fail the same way; dropping the connection
                // rolls back.
                Err(error @ Error::DatabaseAway(_)) => return Err(Failure::Broken(error)),
                outcome => outcomes.push(outcome),
            }
        }
        db.commit()?;
        Ok(outcomes)
    }
}

fn refuse<E>(jobs: Vec<Box<dyn Job<E>>>, why: &'static str) {
    jobs.into_iter().for_each(|job| job.answer(Err(Error::Unavailable(why))));
}

/// Why a whole batch came to nothing.
enum Failure {
    /// A deadlock or serialization failure before COMMIT: safe to run again.
    LostToOthers,
    Broken(Error),
}

impl<T: Into<Error>> From<T> for Failure {
    fn from(error: T) -> Self {
        Failure::Broken(error.into())
    }
}

fn run_one<E>(db: &mut Db, job: &mut dyn Job<E>) -> Result<Vec<E>> {
    db.begin_savepoint()?;
    // A panic in one operation must not take the lane, and everybody, with it.
    let outcome =
        catch_unwind(AssertUnwindSafe(|| job.run(db))).unwrap_or_else(|_| Err(Error::bug("an operation panicked")));
    match outcome {
        Ok(events) => {
            db.commit()?;
            Ok(events)
        }
        Err(error @ Error::DatabaseAway(_)) => Err(error),
        Err(error) => {
            db.roll_back()?;
            if matches!(error, Error::Contention(_)) {
                return Err(error);
            }
            job.settle(db, error).map(|()| Vec::new())
        }
    }
}
