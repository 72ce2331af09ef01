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
    /// `PGPROC_MAX_CACHED_SUBXIDS`) and slows everybody down beyond. SQLite's
    /// batches are bounded by the time one takes, about 10 ms: whoever comes
    /// next waits that long.
    pub fn for_target(target: &Target) -> Self {
        match target {
            Target::Sqlite(_) => Self { queue: 4_096, batch: 512 },
            Target::Postgres(_) => Self { queue: 4_096, batch: 60 },
        }
    }
}

/// Where committed batches go.
pub trait Publish<E>: Send + 'static {
    /// The events of a committed batch, in commit order, and the answers to
    /// be given once those are delivered; may block to slow the lane down.
    fn publish(&mut self, events: Vec<E>, answers: Vec<Answer>);

    /// A COMMIT failed, and nobody knows whether it happened: if it did, its
    /// events were never told.
    fn doubt(&mut self) {}
}

impl<E, F: FnMut(Vec<E>, Vec<Answer>) + Send + 'static> Publish<E> for F {
    fn publish(&mut self, events: Vec<E>, answers: Vec<Answer>) {
        self(events, answers);
    }
}

/// Tells one asker what became of their job.
pub type Answer = Box<dyn FnOnce() + Send>;

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
    /// Starts the thread with a connection of its own. Answers go with the
    /// batch that is published, and not from here, because waking each asker
    /// from another thread is a system call for each.
    pub fn start(
        target: Target,
        settings: LaneSettings,
        publish: impl Publish<E>,
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
    fn work<E: 'static>(&mut self, waiting: &Receiver<Box<dyn Job<E>>>, batch: usize)
    where
        P: Publish<E>,
    {
        while let Ok(first) = waiting.recv() {
            let jobs = std::iter::once(first).chain(waiting.try_iter().take(batch - 1)).collect();
            self.commit(jobs, 0);
        }
    }

    /// Runs the jobs in one transaction; answers every one of them.
    fn commit<E: 'static>(&mut self, mut jobs: Vec<Box<dyn Job<E>>>, reruns: usize)
    where
        P: Publish<E>,
    {
        match self.run_all(&mut jobs) {
            Ok(outcomes) => {
                let mut events = Vec::new();
                let mut answers: Vec<Answer> = Vec::with_capacity(jobs.len());
                for (job, outcome) in jobs.into_iter().zip(outcomes) {
                    let fate = outcome.map(|mut made| events.append(&mut made));
                    answers.push(Box::new(move || job.answer(fate)));
                }
                self.publish.publish(events, answers);
            }
            Err(Failure::LostToOthers) if reruns < MAX_RERUNS => {
                jobs.into_iter().for_each(|job| self.commit(vec![job], reruns + 1));
            }
            Err(Failure::LostToOthers) => refuse(jobs, "the database is busy"),
            Err(Failure::InDoubt(error)) => {
                log::error!("nobody knows whether a batch of {} writes was committed: {error}", jobs.len());
                self.db = None;
                self.publish.doubt();
                refuse(jobs, "the database is away; whether it wrote is unknown");
            }
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
                Ok(outcome) => outcomes.push(outcome),
                // Otherwise the connection is dropped, which rolls back.
                Err(Failure::LostToOthers) => {
                    db.roll_back_all()?;
                    return Err(Failure::LostToOthers);
                }
                Err(failure) => return Err(failure),
            }
        }
        db.commit().map_err(|error| Failure::InDoubt(error.into()))?;
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
    /// Nothing was committed.
    Broken(Error),
    /// COMMIT itself failed.
    InDoubt(Error),
}

impl<T: Into<Error>> From<T> for Failure {
    fn from(error: T) -> Self {
        Failure::Broken(error.into())
    }
}

/// Runs one job in a savepoint of its own. The outer failure ends the batch:
/// a savepoint that cannot be begun, released or rolled back leaves the
/// transaction in a state that nobody may commit.
fn run_one<E>(db: &mut Db, job: &mut dyn Job<E>) -> Result<Result<Vec<E>>, Failure> {
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

/// A panic in one operation must not take the lane, and everybody, with it.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::bug("an operation panicked")))
}

/// Sorts out the errors that are not the job's alone.
fn end_of_batch<T>(outcome: Result<T>) -> Result<Result<T>, Failure> {
    match outcome {
        Err(Error::Contention(_)) => Err(Failure::LostToOthers),
        // The others would fail the same way.
        Err(error @ Error::DatabaseAway(_)) => Err(Failure::Broken(error)),
        outcome => Ok(outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scratch::{Scratch, both_databases, execute, list_marks, mark};
    use std::sync::mpsc::{Sender, channel};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    /// How long an answer may take before a test gives up.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A job made of what a test needs it to do; its events are numbers.
    struct Fake {
        run: Box<Run>,
        settle: Box<Settle>,
        answer: Box<dyn FnOnce(Result<()>) + Send>,
    }

    type Run = dyn FnMut(&mut Db) -> Result<Vec<i64>> + Send;
    type Settle = dyn FnMut(&mut Db, Error) -> Result<()> + Send;

    impl Job<i64> for Fake {
        fn run(&mut self, db: &mut Db) -> Result<Vec<i64>> {
            (self.run)(db)
        }

        fn settle(&mut self, db: &mut Db, error: Error) -> Result<()> {
            (self.settle)(db, error)
        }

        fn answer(self: Box<Self>, fate: Result<()>) {
            (self.answer)(fate);
        }
    }

    /// What a job was told in the end.
    struct Fate(Receiver<Result<()>>);

    impl Fate {
        fn wait(self) -> Result<()> {
            self.0.recv_timeout(PATIENCE).expect("every job is answered")
        }

        /// Without waiting: answered before `submit` returned.
        fn at_once(&self) -> Option<Result<()>> {
            self.0.try_recv().ok()
        }
    }

    /// A lane on a scratch database, and what it published, a batch at a time.
    struct Rig {
        lane: Lane<i64>,
        thread: thread::JoinHandle<()>,
        published: Arc<Mutex<Vec<Vec<i64>>>>,
    }

    struct Sink(Arc<Mutex<Vec<Vec<i64>>>>);

    /// Stands among what was published where the lane was in doubt.
    const DOUBT: i64 = -1;

    impl Publish<i64> for Sink {
        fn publish(&mut self, events: Vec<i64>, answers: Vec<Answer>) {
            if !events.is_empty() {
                self.0.lock().unwrap().push(events);
            }
            answers.into_iter().for_each(|answer| answer());
        }

        fn doubt(&mut self) {
            self.0.lock().unwrap().push(vec![DOUBT]);
        }
    }

    impl Rig {
        fn start(scratch: &Scratch, settings: LaneSettings) -> Self {
            let published: Arc<Mutex<Vec<Vec<i64>>>> = Arc::default();
            let (lane, thread) = Lane::start(scratch.target.clone(), settings, Sink(Arc::clone(&published))).unwrap();
            Self { lane, thread, published }
        }

        fn submit(&self, run: impl FnMut(&mut Db) -> Result<Vec<i64>> + Send + 'static) -> Fate {
            self.submit_with(run, |_, error| Err(error))
        }

        fn submit_with(
            &self,
            run: impl FnMut(&mut Db) -> Result<Vec<i64>> + Send + 'static,
            settle: impl FnMut(&mut Db, Error) -> Result<()> + Send + 'static,
        ) -> Fate {
            let (told, fate) = channel();
            let answer = Box::new(move |outcome| told.send(outcome).unwrap());
            self.lane.submit(Box::new(Fake { run: Box::new(run), settle: Box::new(settle), answer }));
            Fate(fate)
        }

        /// Leaves a mark and names it in an event.
        fn submit_mark(&self, n: i64) -> Fate {
            self.submit(move |db| {
                mark(db, n)?;
                Ok(vec![n])
            })
        }

        /// Keeps the lane busy until the gate is opened or dropped, so that
        /// what is submitted meanwhile waits together. Returns once it is.
        fn close_gate(&self) -> Gate {
            let (entered, is_entered) = channel();
            let (open, is_open) = channel::<()>();
            let fate = self.submit(move |_| {
                entered.send(()).unwrap();
                // Dropped is open too.
                let _ = is_open.recv();
                Ok(Vec::new())
            });
            is_entered.recv_timeout(PATIENCE).expect("the lane begins");
            Gate { open, fate }
        }

        fn published(&self) -> Vec<Vec<i64>> {
            self.published.lock().unwrap().clone()
        }

        fn end(self) {
            let Self { lane, thread, .. } = self;
            drop(lane);
            thread.join().unwrap();
        }
    }

    struct Gate {
        open: Sender<()>,
        fate: Fate,
    }

    impl Gate {
        fn open(self) {
            drop(self.open);
            self.fate.wait().unwrap();
        }
    }

    const ROOMY: LaneSettings = LaneSettings { queue: 100, batch: 50 };

    fn is_unavailable(fate: &Result<()>) -> bool {
        matches!(fate, Err(Error::Unavailable(_)))
    }

    fn jobs_that_wait_together_share_one_transaction(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let gate = rig.close_gate();
        let (saw, seen) = channel();
        let fates: Vec<_> = (1..=5)
            .map(|n| {
                let (target, saw) = (scratch.target.clone(), saw.clone());
                rig.submit(move |db| {
                    mark(db, n)?;
                    let outside = list_marks(&mut target.open_for_reading()?).len();
                    saw.send((list_marks(db).len(), outside)).unwrap();
                    Ok(vec![n])
                })
            })
            .collect();
        gate.open();
        fates.into_iter().for_each(|fate| fate.wait().unwrap());
        let seen: Vec<_> = seen.try_iter().collect();
        assert_eq!(seen, [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)], "each sees the earlier ones, nobody else does yet");
        assert_eq!(rig.published(), [[1, 2, 3, 4, 5]]);
        assert_eq!(scratch.marks(), [1, 2, 3, 4, 5]);
        rig.end();
    }
    both_databases!(jobs_that_wait_together_share_one_transaction);

    fn a_batch_has_no_more_jobs_than_its_bound(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, LaneSettings { batch: 3, ..ROOMY });
        let gate = rig.close_gate();
        let fates: Vec<_> = (1..=7).map(|n| rig.submit_mark(n)).collect();
        gate.open();
        fates.into_iter().for_each(|fate| fate.wait().unwrap());
        assert_eq!(rig.published(), [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
        rig.end();
    }
    both_databases!(a_batch_has_no_more_jobs_than_its_bound);

    fn a_failing_job_leaves_nothing_and_disturbs_nobody(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let gate = rig.close_gate();
        let before = rig.submit_mark(1);
        let refused = rig.submit(|db| {
            mark(db, 2)?;
            Err(Error::Forbidden("no"))
        });
        // The database itself refuses this one.
        let doubled = rig.submit_mark(1);
        let after = rig.submit_mark(3);
        gate.open();
        before.wait().unwrap();
        assert!(matches!(refused.wait(), Err(Error::Forbidden("no"))));
        assert!(matches!(doubled.wait(), Err(Error::Conflict(_))));
        after.wait().unwrap();
        assert_eq!(scratch.marks(), [1, 3]);
        assert_eq!(rig.published(), [[1, 3]]);
        rig.end();
    }
    both_databases!(a_failing_job_leaves_nothing_and_disturbs_nobody);

    fn a_failed_job_has_the_last_word_after_its_rollback(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let (saw, seen) = channel();
        let fate = rig.submit_with(
            |db| {
                mark(db, 1)?;
                Err(Error::Conflict("was there"))
            },
            move |db, error| {
                saw.send((list_marks(db), error.code())).unwrap();
                Ok(())
            },
        );
        fate.wait().unwrap();
        assert_eq!(seen.recv().unwrap(), (vec![], crate::error::Code::Conflict));
        assert_eq!(scratch.marks(), [0i64; 0]);
        assert!(rig.published().is_empty());
        rig.end();
    }
    both_databases!(a_failed_job_has_the_last_word_after_its_rollback);

    fn a_last_word_that_fails_costs_its_neighbours_nothing(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let last_words: [fn(&mut Db, Error) -> Result<()>; 3] = [
            |db, _| Ok(execute(db, "SELECT nothing FROM nowhere")?),
            |db, error| mark(db, 66).map_err(Error::from).and(Err(error)),
            |_, _| panic!("a bug in the last word"),
        ];
        for last_word in last_words {
            let rig = Rig::start(&scratch, ROOMY);
            let gate = rig.close_gate();
            let before = rig.submit_mark(1);
            let failing = rig.submit_with(|_| Err(Error::Conflict("was there")), last_word);
            let after = rig.submit_mark(2);
            gate.open();
            before.wait().unwrap();
            assert!(failing.wait().is_err());
            after.wait().unwrap();
            rig.end();
            assert_eq!(scratch.marks(), [1, 2], "what was acknowledged is there");
            execute(&mut scratch.open(), "DELETE FROM marks").unwrap();
        }
    }
    both_databases!(a_last_word_that_fails_costs_its_neighbours_nothing);

    fn what_is_committed_is_published_before_anybody_is_answered(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let (log, logged) = channel();
        let (to_log, target) = (log.clone(), scratch.target.clone());
        let publish = move |events: Vec<i64>, answers: Vec<Answer>| {
            if !events.is_empty() {
                let stored = list_marks(&mut target.open_for_reading().unwrap());
                to_log.send(format!("published {events:?}, stored {stored:?}")).unwrap();
            }
            answers.into_iter().for_each(|answer| answer());
        };
        let (lane, thread) = Lane::start(scratch.target.clone(), ROOMY, publish).unwrap();
        let rig = Rig { lane, thread, published: Arc::default() };
        let gate = rig.close_gate();
        for n in 1..=3 {
            let log = log.clone();
            rig.lane.submit(Box::new(Fake {
                run: Box::new(move |db| {
                    mark(db, n)?;
                    Ok(vec![n, 10 * n])
                }),
                settle: Box::new(|_, error| Err(error)),
                answer: Box::new(move |fate| log.send(format!("answered {n}: {fate:?}")).unwrap()),
            }));
        }
        gate.open();
        rig.end();
        drop(log);
        let published = "published [1, 10, 2, 20, 3, 30], stored [1, 2, 3]";
        let answered = ["answered 1: Ok(())", "answered 2: Ok(())", "answered 3: Ok(())"];
        assert_eq!(logged.iter().collect::<Vec<_>>(), [&[published], &answered[..]].concat());
    }
    both_databases!(what_is_committed_is_published_before_anybody_is_answered);

    fn a_full_queue_refuses_the_next_job_at_once(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, LaneSettings { queue: 2, ..ROOMY });
        let gate = rig.close_gate();
        let waiting = [rig.submit_mark(1), rig.submit_mark(2)];
        let refused = rig.submit_mark(3);
        assert!(refused.at_once().is_some_and(|fate| is_unavailable(&fate)), "before the lane is free again");
        assert!(waiting.iter().all(|fate| fate.at_once().is_none()), "these two wait");
        gate.open();
        waiting.into_iter().for_each(|fate| fate.wait().unwrap());
        rig.submit_mark(4).wait().unwrap();
        assert_eq!(scratch.marks(), [1, 2, 4]);
        rig.end();
    }
    both_databases!(a_full_queue_refuses_the_next_job_at_once);

    fn a_panic_is_an_internal_error_of_that_job_alone(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let gate = rig.close_gate();
        let before = rig.submit_mark(1);
        let panicking = rig.submit(|db| {
            mark(db, 2)?;
            panic!("as this test wants it");
        });
        let after = rig.submit_mark(3);
        gate.open();
        before.wait().unwrap();
        assert!(matches!(panicking.wait(), Err(Error::Internal(_))));
        after.wait().unwrap();
        assert_eq!(scratch.marks(), [1, 3]);
        assert_eq!(rig.published(), [[1, 3]], "one batch");
        rig.end();
    }
    both_databases!(a_panic_is_an_internal_error_of_that_job_alone);

    fn who_loses_to_others_is_run_again_and_so_is_its_batch_one_by_one(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let gate = rig.close_gate();
        let before = rig.submit_mark(1);
        let (target, mut outside) = (scratch.target.clone(), Vec::new());
        let (saw, seen) = channel();
        let loser = rig.submit(move |db| {
            outside.push(list_marks(&mut target.open_for_reading()?));
            mark(db, 2)?;
            if outside.len() == 1 {
                return Err(Error::Contention("deadlock".into()));
            }
            saw.send(outside.clone()).unwrap();
            Ok(vec![2])
        });
        let after = rig.submit_mark(3);
        gate.open();
        [before, loser, after].into_iter().for_each(|fate| fate.wait().unwrap());
        assert_eq!(seen.recv().unwrap(), [vec![], vec![1]], "the one before it was committed by itself");
        assert_eq!(rig.published(), [[1], [2], [3]], "nothing of the first attempt");
        assert_eq!(scratch.marks(), [1, 2, 3]);
        rig.end();
    }
    both_databases!(who_loses_to_others_is_run_again_and_so_is_its_batch_one_by_one);

    fn who_always_loses_is_given_up_and_the_others_are_not(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let gate = rig.close_gate();
        let before = rig.submit_mark(1);
        let (ran, runs) = channel();
        let loser = rig.submit(move |db| {
            ran.send(()).unwrap();
            mark(db, 2)?;
            Err(Error::Contention("deadlock".into()))
        });
        let after = rig.submit_mark(3);
        gate.open();
        before.wait().unwrap();
        assert!(is_unavailable(&loser.wait()));
        after.wait().unwrap();
        assert_eq!(runs.try_iter().count(), 1 + MAX_RERUNS);
        assert_eq!(scratch.marks(), [1, 3]);
        rig.end();
    }
    both_databases!(who_always_loses_is_given_up_and_the_others_are_not);

    /// A reference that is checked at COMMIT makes COMMIT itself fail.
    fn a_failed_commit_fails_the_whole_batch_and_is_not_tried_again(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let orphans = "CREATE TABLE orphans (n BIGINT REFERENCES marks (n) DEFERRABLE INITIALLY DEFERRED)";
        execute(&mut scratch.open(), orphans).unwrap();
        let rig = Rig::start(&scratch, ROOMY);
        let gate = rig.close_gate();
        let (ran, runs) = channel();
        let counting = |n| {
            let ran = ran.clone();
            rig.submit(move |db| {
                ran.send(n).unwrap();
                mark(db, n)?;
                Ok(vec![n])
            })
        };
        let before = counting(1);
        let to_ran = ran.clone();
        let culprit = rig.submit(move |db| {
            to_ran.send(2).unwrap();
            execute(db, "INSERT INTO orphans VALUES (999)")?;
            Ok(vec![2])
        });
        let after = counting(3);
        gate.open();
        for fate in [before, culprit, after] {
            assert!(is_unavailable(&fate.wait()));
        }
        assert_eq!(runs.try_iter().collect::<Vec<_>>(), [1, 2, 3], "each ran once");
        assert_eq!(rig.published(), [[DOUBT]], "that nobody knows is told, and nothing else");
        assert_eq!(scratch.marks(), [0i64; 0]);
        rig.submit_mark(4).wait().expect("the next batch has a connection again");
        assert_eq!(scratch.marks(), [4]);
        rig.end();
    }
    both_databases!(a_failed_commit_fails_the_whole_batch_and_is_not_tried_again);

    fn the_lane_ends_with_its_last_handle_after_all_that_waits(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let Rig { lane, thread, published } = Rig::start(&scratch, LaneSettings { batch: 2, ..ROOMY });
        let rig = Rig { lane: lane.clone(), thread, published };
        let gate = rig.close_gate();
        let fates: Vec<_> = (1..=5).map(|n| rig.submit_mark(n)).collect();
        let Rig { lane: other, thread, .. } = rig;
        drop(other);
        assert!(!thread.is_finished());
        drop(lane);
        gate.open();
        thread.join().unwrap();
        fates.into_iter().for_each(|fate| fate.at_once().expect("answered before the end").unwrap());
        assert_eq!(scratch.marks(), [1, 2, 3, 4, 5]);
    }
    both_databases!(the_lane_ends_with_its_last_handle_after_all_that_waits);

    /// The process of Postgres behind a connection.
    fn backend_of(db: &mut Db) -> i32 {
        let Db::Postgres(conn) = db else { panic!("only Postgres has backends") };
        let pid = diesel::dsl::sql::<diesel::sql_types::Integer>("pg_backend_pid()");
        diesel::RunQueryDsl::get_result(diesel::select(pid), conn).unwrap()
    }

    /// Ends that process and returns when it is gone, within ten seconds.
    fn terminate(target: &Target, pid: i32) {
        execute(&mut target.open().unwrap(), &format!("SELECT pg_terminate_backend({pid}, 10000)")).unwrap();
    }

    #[test]
    fn after_a_connection_broke_between_batches_the_next_but_one_has_another() {
        let scratch = Scratch::postgres().with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let (told, pids) = channel();
        let tell = || {
            let told = told.clone();
            rig.submit(move |db| {
                told.send(backend_of(db)).unwrap();
                Ok(Vec::new())
            })
        };
        tell().wait().unwrap();
        let pid = pids.recv().unwrap();
        terminate(&scratch.target, pid);
        assert!(is_unavailable(&rig.submit_mark(1).wait()), "whoever finds it broken is told so");
        rig.submit_mark(2).wait().unwrap();
        tell().wait().unwrap();
        assert_ne!(pids.recv().unwrap(), pid);
        assert_eq!(scratch.marks(), [2]);
        rig.end();
    }

    #[test]
    fn a_connection_that_breaks_within_a_job_fails_the_batch_and_nothing_more() {
        let scratch = Scratch::postgres().with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let gate = rig.close_gate();
        let before = rig.submit_mark(1);
        let target = scratch.target.clone();
        let victim = rig.submit(move |db| {
            mark(db, 2)?;
            terminate(&target, backend_of(db));
            mark(db, 3)?;
            Ok(vec![2])
        });
        let after = rig.submit_mark(4);
        gate.open();
        for fate in [before, victim, after] {
            assert!(is_unavailable(&fate.wait()));
        }
        assert!(rig.published().is_empty());
        rig.submit_mark(5).wait().unwrap();
        assert_eq!(scratch.marks(), [5]);
        rig.end();
    }

    #[test]
    fn writers_that_wait_for_each_other_all_get_through() {
        let scratch = Scratch::postgres().with_marks();
        execute(&mut scratch.open(), "INSERT INTO marks VALUES (1), (2)").unwrap();
        let (here, there) = (Rig::start(&scratch, ROOMY), Rig::start(&scratch, ROOMY));
        let lock = |n: i64| format!("SELECT n FROM marks WHERE n = {n} FOR UPDATE");
        let both_have_one = Arc::new(std::sync::Barrier::new(2));
        let submit = |rig: &Rig, first: i64, second: i64| {
            let (mut meeting, mark_of) = (Some(Arc::clone(&both_have_one)), first + 10);
            rig.submit(move |db| {
                execute(db, &lock(first))?;
                // Only the first run waits: the loser runs again alone.
                if let Some(barrier) = meeting.take() {
                    barrier.wait();
                }
                execute(db, &lock(second))?;
                mark(db, mark_of)?;
                Ok(vec![mark_of])
            })
        };
        let fates = [submit(&here, 1, 2), submit(&there, 2, 1)];
        fates.into_iter().for_each(|fate| fate.wait().unwrap());
        assert_eq!(scratch.marks(), [1, 2, 11, 12]);
        here.end();
        there.end();
    }
}
