//! The writer: one thread that takes the waiting jobs, runs them in one transaction and commits
//! once.
//!
//! An acknowledged write is committed. A commit flushes to disk, so many light writes share one. A
//! lone write commits at once; no timer adds latency. Each job runs in its own savepoint, so a
//! failed job does not affect the others. A heavy job has its own transaction. [`WriteQueue`]
//! decides which job is next.
//!
//! A COMMIT with an unknown result fails the whole batch and is never retried. A client may retry
//! with its `client_message_id`. If the database itself refused the transaction, nothing was
//! committed. Its jobs then run again one by one, so that each gets its own error.

use super::checkpoints::Checkpoints;
use super::queue::{Full, QueueBounds, Turn, WriteQueue};
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::metrics::Metrics;
use crate::store::connection::db::CommitFailure;
use crate::store::connection::time_budget;
use crate::store::writer::attempt::{Failure, run_one};
use crate::store::writer::job::{Answer, Publish, Terms, WriteJob, WriterSettings};
use crate::store::{Cost, Db, Target};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The maximum number of times that a job that lost to a deadlock runs again by itself.
const MAX_RERUNS: usize = 3;
/// The time that a job may run. After that it fails alone, where the database can be interrupted.
const BUDGET: Duration = Duration::from_secs(5);
/// The time after which a light job is logged as slow. Further jobs of its name and owner then
/// count as heavy for a while.
const SLOW: Duration = Duration::from_millis(250);
const SLOW_FOR: Duration = Duration::from_secs(60);
/// The maximum number of names and owners that are remembered as slow.
const MAX_SLOW: usize = 1_024;

impl<E, F: FnMut(Vec<E>, Vec<Answer>) + Send + 'static> Publish<E> for F {
    fn publish(&mut self, events: Vec<E>, answers: Vec<Answer>) {
        self(events, answers);
    }
}

/// The sending end. It is cheap to clone. The thread ends when the last handle is dropped and all
/// queued jobs are done.
pub struct Writer<E: Send + 'static> {
    sender: Arc<Sender<E>>,
}

impl<E: Send + 'static> Clone for Writer<E> {
    fn clone(&self) -> Self {
        Self { sender: Arc::clone(&self.sender) }
    }
}

/// Closes the queue when the last handle is dropped.
struct Sender<E: Send + 'static>(Arc<Shared<E>>);

impl<E: Send + 'static> Drop for Sender<E> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<E: Send + 'static> Writer<E> {
    /// Starts the thread with its own connection. Answers go with the published batch and not from
    /// here, because waking each caller from another thread costs a system call each.
    pub fn start(
        target: Target,
        settings: WriterSettings,
        publish: impl Publish<E>,
        metrics: Metrics,
    ) -> Result<(Self, thread::JoinHandle<()>)> {
        let db = Some(target.open_existing()?);
        let shared = Arc::new(Shared::new(settings.queue));
        let waiting = Waiting(Arc::clone(&shared));
        let checkpoints = Checkpoints::start(&target)?;
        let mut worker = Worker { target, settings, db, checkpoints, publish, metrics };
        let thread = thread::Builder::new()
            .name("writer".into())
            .spawn(move || worker.work(&waiting.0))
            .map_err(|error| Error::Internal(error.into()))?;
        Ok((Self { sender: Arc::new(Sender(shared)) }, thread))
    }

    /// Queues a job, or answers it at once with a refusal. The writer begins at the latest when the
    /// returned value is dropped. A caller that first lets others submit their jobs gets them into
    /// the same transaction.
    pub fn submit(&self, job: Box<dyn WriteJob<E>>, terms: Terms) -> WakeOnDrop<E> {
        self.sender.0.submit(QueuedJob { job, terms });
        WakeOnDrop(Arc::clone(&self.sender.0))
    }
}

/// Wakes the writer when it is dropped, if the writer waits for jobs.
#[must_use = "dropping it at once wakes the writer for this job alone"]
pub struct WakeOnDrop<E: Send + 'static>(Arc<Shared<E>>);

impl<E: Send + 'static> Drop for WakeOnDrop<E> {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// A job and its terms, in the queue.
struct QueuedJob<E> {
    job: Box<dyn WriteJob<E>>,
    terms: Terms,
}

/// The state that both ends of the queue share.
struct Shared<E> {
    state: Mutex<State<E>>,
    has_changed: Condvar,
}

struct State<E> {
    queue: WriteQueue<QueuedJob<E>>,
    /// The time until which jobs of this name and owner count as heavy.
    slow: HashMap<(&'static str, UserId), Instant>,
    /// The thread waits for jobs. To wake it takes a system call.
    is_waiting: bool,
    /// No caller can submit any more, or the thread runs no more jobs.
    is_closed: bool,
}

impl<E: Send + 'static> Shared<E> {
    fn new(bounds: QueueBounds) -> Self {
        let state = State { queue: WriteQueue::new(bounds), slow: HashMap::new(), is_waiting: false, is_closed: false };
        Self { state: Mutex::new(state), has_changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&self, job: QueuedJob<E>) {
        let mut state = self.state();
        let Terms { name, owner, .. } = job.terms;
        let slow_until = owner.and_then(|user_id| state.slow.get(&(name, user_id)));
        let is_slow = slow_until.is_some_and(|until| *until > Instant::now());
        let cost = if is_slow { Cost::Heavy } else { job.terms.cost };
        let refused = match state.is_closed {
            true => Some((job, Error::Unavailable("the hub is stopping"))),
            false => state.queue.push(job, cost, owner).err().map(|(job, full)| (job, refusal(full))),
        };
        drop(state);
        if let Some((QueuedJob { job, .. }, error)) = refused {
            job.answer(Err(error));
        }
    }

    fn wake(&self) {
        if std::mem::take(&mut self.state().is_waiting) {
            self.has_changed.notify_one();
        }
    }

    /// Waits for the next turn. Returns `None` once the queue is closed and empty.
    fn next(&self, most: usize) -> Option<Turn<QueuedJob<E>>> {
        let mut state = self.state();
        loop {
            if let Some(turn) = state.queue.next(most) {
                return Some(turn);
            }
            if state.is_closed {
                return None;
            }
            state.is_waiting = true;
            state = self.has_changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        self.state().is_closed = true;
        self.wake();
    }

    /// Counts jobs of this name and owner as heavy from now on. Returns true if they were not yet.
    fn note_slow(&self, name: &'static str, owner: UserId) -> bool {
        let (mut state, now) = (self.state(), Instant::now());
        state.slow.retain(|_, until| *until > now);
        if state.slow.len() >= MAX_SLOW {
            return false;
        }
        state.slow.insert((name, owner), now + SLOW_FOR).is_none()
    }
}

fn refusal(full: Full) -> Error {
    match full {
        Full::Queue => Error::Unavailable("too many writes are waiting"),
        Full::Share => Error::TooManyAtOnce("too many of your changes are waiting: wait for their answers"),
    }
}

/// The receiving end. Jobs that still wait when the thread ends, however it ends, are answered.
struct Waiting<E: Send + 'static>(Arc<Shared<E>>);

impl<E: Send + 'static> Drop for Waiting<E> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_closed = true;
        let left = state.queue.drain();
        drop(state);
        refuse(left, || Error::Unavailable("the hub is stopping"));
    }
}

struct Worker<P> {
    target: Target,
    settings: WriterSettings,
    /// `None` after the connection broke. The next batch opens another.
    db: Option<Db>,
    checkpoints: Checkpoints,
    publish: P,
    metrics: Metrics,
}

impl<P> Worker<P> {
    fn work<E: Send + 'static>(&mut self, shared: &Shared<E>)
    where
        P: Publish<E>,
    {
        while let Some(turn) = shared.next(self.settings.batch) {
            let jobs = match turn {
                Turn::Light(jobs) => jobs,
                Turn::Heavy(job) => vec![job],
            };
            self.commit(jobs, 0, shared);
        }
    }

    /// Runs the jobs in one transaction and answers them. Jobs for which there was no time go back
    /// to the queue.
    fn commit<E: Send + 'static>(&mut self, mut jobs: Vec<QueuedJob<E>>, reruns: usize, shared: &Shared<E>)
    where
        P: Publish<E>,
    {
        let began_at = Instant::now();
        let mut outcomes = Vec::with_capacity(jobs.len());
        let ending = self.run_all(&mut jobs, &mut outcomes, began_at, shared);
        let ran = match ending {
            Ok(()) | Err(Failure::UnknownCommit(_)) => outcomes.len(),
            // The job that ended the transaction ran without an outcome.
            Err(Failure::LostToOthers | Failure::RolledBack(_)) => jobs.len().min(outcomes.len() + 1),
            // No job waits for another attempt to connect.
            Err(Failure::Broken(_)) => jobs.len(),
        };
        self.metrics.write_batch_size.observe(ran as f64);
        self.metrics.write_transaction_seconds.observe(began_at.elapsed().as_secs_f64());
        if ran < jobs.len() {
            let left = jobs.split_off(ran).into_iter();
            shared.state().queue.requeue(left.map(|QueuedJob { job, terms }| (QueuedJob { job, terms }, terms.owner)));
        }
        match ending {
            Ok(()) => {
                let mut events = Vec::new();
                let mut answers: Vec<Answer> = Vec::with_capacity(jobs.len());
                for (QueuedJob { job, .. }, outcome) in jobs.into_iter().zip(outcomes) {
                    let result = outcome.map(|mut made| events.append(&mut made));
                    answers.push(Box::new(move || job.answer(result)));
                }
                self.publish.publish(events, answers);
            }
            Err(Failure::LostToOthers) if reruns < MAX_RERUNS => {
                jobs.into_iter().for_each(|job| self.commit(vec![job], reruns + 1, shared));
            }
            Err(Failure::LostToOthers) => refuse(jobs, || Error::Unavailable("the database is busy")),
            Err(Failure::RolledBack(error)) if jobs.len() > 1 => {
                log::warn!("a batch of {} writes runs again one by one: {error}", jobs.len());
                jobs.into_iter().for_each(|job| self.commit(vec![job], reruns, shared));
            }
            Err(Failure::RolledBack(error)) => {
                // There is at most one job here.
                if let Some(QueuedJob { job, .. }) = jobs.pop() {
                    job.answer(Err(refused(error)));
                }
            }
            Err(Failure::UnknownCommit(error)) => {
                log::error!("it is unknown whether a batch of {} writes was committed: {error}", jobs.len());
                self.db = None;
                self.publish.on_unknown_commit();
                refuse(jobs, || Error::Unavailable("the database is unreachable: the change may or may not be saved"));
            }
            Err(Failure::Broken(error)) => {
                log::error!("a batch of {} writes failed: {error}", jobs.len());
                self.db = None;
                refuse(jobs, || error.for_another());
            }
        }
    }

    /// Returns one outcome for each job that ran, all of them committed. On failure nothing is
    /// committed, or the result is unknown because COMMIT was not answered.
    fn run_all<E: Send + 'static>(
        &mut self,
        jobs: &mut [QueuedJob<E>],
        outcomes: &mut Vec<Result<Vec<E>>>,
        began_at: Instant,
        shared: &Shared<E>,
    ) -> Result<(), Failure>
    where
        P: Publish<E>,
    {
        let db = match &mut self.db {
            Some(db) => db,
            none => {
                let db = none.insert(self.target.open_existing()?);
                self.publish.on_reopen(db)?;
                db
            }
        };
        db.begin_write()?;
        self.publish.on_begin(db)?;
        let mut is_savepoint_open = false;
        for QueuedJob { job, terms } in jobs {
            let job_began_at = Instant::now();
            if job_began_at >= terms.deadline {
                outcomes.push(Err(Error::Unavailable("the write waited too long; nothing was written")));
                continue;
            }
            if !outcomes.is_empty() && job_began_at - began_at >= self.settings.batch_time {
                break;
            }
            let outcome = time_budget::within(BUDGET, || run_one(db, job.as_mut(), &mut is_savepoint_open));
            look_at_time(*terms, job_began_at.elapsed(), shared);
            match outcome {
                Ok(outcome) => outcomes.push(outcome),
                Err(Failure::LostToOthers) => {
                    db.roll_back_all()?;
                    return Err(Failure::LostToOthers);
                }
                Err(Failure::RolledBack(error)) => {
                    db.roll_back_all()?;
                    return Err(Failure::RolledBack(error));
                }
                // The connection is dropped, which rolls back.
                Err(failure) => return Err(failure),
            }
        }
        self.publish.before_commit(db)?;
        match db.commit_write() {
            Ok(()) => {
                self.checkpoints.count();
                Ok(())
            }
            Err(CommitFailure::Unknown(error)) => Err(Failure::UnknownCommit(error)),
            Err(CommitFailure::RolledBack(Error::Contention(_))) => Err(Failure::LostToOthers),
            Err(CommitFailure::RolledBack(error)) => Err(Failure::RolledBack(error)),
        }
    }
}

/// Runs jobs like a slow light one separately from now on. Jobs of clients before login and of the
/// hub itself have no owner and stay light.
fn look_at_time<E: Send + 'static>(Terms { name, cost, owner, .. }: Terms, took: Duration, shared: &Shared<E>) {
    if cost == Cost::Heavy || took <= SLOW {
        return;
    }
    let ms = took.as_millis();
    match owner {
        Some(user_id) if shared.note_slow(name, user_id) => {
            log::warn!("a slow write delayed all others op={name} user={user_id} ms={ms}");
        }
        Some(_) => {}
        None => log::warn!("a slow write delayed all others op={name} user=none ms={ms}"),
    }
}

fn refuse<E>(jobs: Vec<QueuedJob<E>>, why: impl Fn() -> Error) {
    jobs.into_iter().for_each(|QueuedJob { job, .. }| job.answer(Err(why())));
}

/// The error for the job that caused a refused transaction. It says that the job may be retried,
/// unless the error says more.
fn refused(error: Error) -> Error {
    match error {
        Error::Internal(cause) => {
            log::error!("a write was refused at COMMIT: {cause}");
            Error::Unavailable("the database refused the write; nothing was written")
        }
        error => error,
    }
}

impl<T: Into<Error>> From<T> for Failure {
    fn from(error: T) -> Self {
        Failure::Broken(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scratch::{Scratch, both_databases, execute, list_marks, mark};
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// The time that an answer may take before a test gives up.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A job that does what a test needs. Its events are numbers.
    struct Fake {
        run: Box<Run>,
        resolve: Box<Resolve>,
        answer: Box<dyn FnOnce(Result<()>) + Send>,
    }

    type Run = dyn FnMut(&mut Db) -> Result<Vec<i64>> + Send;
    type Resolve = dyn FnMut(&mut Db, Error) -> Result<()> + Send;

    impl WriteJob<i64> for Fake {
        fn run(&mut self, db: &mut Db) -> Result<Vec<i64>> {
            (self.run)(db)
        }

        fn resolve(&mut self, db: &mut Db, error: Error) -> Result<()> {
            (self.resolve)(db, error)
        }

        fn answer(self: Box<Self>, result: Result<()>) {
            (self.answer)(result);
        }
    }

    /// The final answer of a job.
    struct PendingResult(Receiver<Result<()>>);

    impl PendingResult {
        fn wait(self) -> Result<()> {
            self.0.recv_timeout(PATIENCE).expect("every job is answered")
        }

        /// The answer without waiting, if it came before `submit` returned.
        fn at_once(&self) -> Option<Result<()>> {
            self.0.try_recv().ok()
        }
    }

    /// A writer on a scratch database, and the batches that it published.
    struct Rig {
        writer: Writer<i64>,
        thread: thread::JoinHandle<()>,
        published: Arc<Mutex<Vec<Vec<i64>>>>,
    }

    struct Sink(Arc<Mutex<Vec<Vec<i64>>>>);

    /// Marks a COMMIT with an unknown result among the published events.
    const DOUBT: i64 = -1;

    impl Publish<i64> for Sink {
        fn publish(&mut self, events: Vec<i64>, answers: Vec<Answer>) {
            if !events.is_empty() {
                self.0.lock().unwrap().push(events);
            }
            answers.into_iter().for_each(|answer| answer());
        }

        fn on_unknown_commit(&mut self) {
            self.0.lock().unwrap().push(vec![DOUBT]);
        }
    }

    impl Rig {
        fn start(scratch: &Scratch, settings: WriterSettings) -> Self {
            let published: Arc<Mutex<Vec<Vec<i64>>>> = Arc::default();
            let (writer, thread) =
                Writer::start(scratch.target.clone(), settings, Sink(Arc::clone(&published)), Metrics::default())
                    .unwrap();
            Self { writer, thread, published }
        }

        fn submit(&self, run: impl FnMut(&mut Db) -> Result<Vec<i64>> + Send + 'static) -> PendingResult {
            self.submit_with(run, |_, error| Err(error))
        }

        fn submit_with(
            &self,
            run: impl FnMut(&mut Db) -> Result<Vec<i64>> + Send + 'static,
            resolve: impl FnMut(&mut Db, Error) -> Result<()> + Send + 'static,
        ) -> PendingResult {
            self.submit_on(LIGHT, run, resolve)
        }

        fn submit_on(
            &self,
            class: Class,
            run: impl FnMut(&mut Db) -> Result<Vec<i64>> + Send + 'static,
            resolve: impl FnMut(&mut Db, Error) -> Result<()> + Send + 'static,
        ) -> PendingResult {
            let (sender, result) = channel();
            let answer = Box::new(move |outcome| sender.send(outcome).unwrap());
            let job = Fake { run: Box::new(run), resolve: Box::new(resolve), answer };
            let Class { cost, owner, patience } = class;
            let terms = Terms { name: "test", cost, owner, deadline: Instant::now() + patience };
            drop(self.writer.submit(Box::new(job), terms));
            PendingResult(result)
        }

        /// Writes a mark in a class of jobs, and names it in an event.
        fn submit_mark_on(&self, class: Class, n: i64) -> PendingResult {
            let run = move |db: &mut Db| {
                mark(db, n)?;
                Ok(vec![n])
            };
            self.submit_on(class, run, |_, error| Err(error))
        }

        /// Writes a mark and names it in an event.
        fn submit_mark(&self, n: i64) -> PendingResult {
            self.submit(move |db| {
                mark(db, n)?;
                Ok(vec![n])
            })
        }

        /// Keeps the writer busy until the gate is opened or dropped, so that jobs submitted
        /// meanwhile wait together. Returns once the writer is busy.
        fn close_gate(&self) -> Gate {
            let (entered, is_entered) = channel();
            let (open, is_open) = channel::<()>();
            let run = move |_: &mut Db| {
                entered.send(()).unwrap();
                // A dropped gate is open too.
                let _ = is_open.recv();
                Ok(Vec::new())
            };
            let result = self.submit(run);
            is_entered.recv_timeout(PATIENCE).expect("the writer begins");
            Gate { open, result }
        }

        fn published(&self) -> Vec<Vec<i64>> {
            self.published.lock().unwrap().clone()
        }

        fn end(self) {
            let Self { writer, thread, .. } = self;
            drop(writer);
            thread.join().unwrap();
        }
    }

    struct Gate {
        open: Sender<()>,
        result: PendingResult,
    }

    impl Gate {
        fn open(self) {
            drop(self.open);
            self.result.wait().unwrap();
        }
    }

    /// The behaviour that a test gives to a job.
    #[derive(Clone, Copy)]
    struct Class {
        cost: Cost,
        owner: Option<UserId>,
        patience: Duration,
    }

    const LIGHT: Class = Class { cost: Cost::Light, owner: Some(UserId::new(1)), patience: PATIENCE };
    const HEAVY: Class = Class { cost: Cost::Heavy, ..LIGHT };

    const BOUNDS: QueueBounds = QueueBounds { light: 100, heavy: 10, heavy_each: 2, unowned_each_time: 16 };
    /// Batches end only by their size.
    const ROOMY: WriterSettings = WriterSettings { queue: BOUNDS, batch: 50, batch_time: PATIENCE };

    fn is_unavailable(result: &Result<()>) -> bool {
        matches!(result, Err(Error::Unavailable(_)))
    }

    fn jobs_that_wait_together_share_one_transaction(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let gate = rig.close_gate();
        let (saw, seen) = channel();
        let results: Vec<_> = (1..=5)
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
        results.into_iter().for_each(|result| result.wait().unwrap());
        let seen: Vec<_> = seen.try_iter().collect();
        assert_eq!(seen, [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)], "only later jobs of the batch see the earlier ones");
        assert_eq!(rig.published(), [[1, 2, 3, 4, 5]]);
        assert_eq!(scratch.marks(), [1, 2, 3, 4, 5]);
        rig.end();
    }
    both_databases!(jobs_that_wait_together_share_one_transaction);

    fn a_batch_has_no_more_jobs_than_its_bound(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, WriterSettings { batch: 3, ..ROOMY });
        let gate = rig.close_gate();
        let results: Vec<_> = (1..=7).map(|n| rig.submit_mark(n)).collect();
        gate.open();
        results.into_iter().for_each(|result| result.wait().unwrap());
        assert_eq!(rig.published(), [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
        rig.end();
    }
    both_databases!(a_batch_has_no_more_jobs_than_its_bound);

    fn a_failing_job_writes_nothing_and_affects_no_others(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let gate = rig.close_gate();
        let before = rig.submit_mark(1);
        let refused = rig.submit(|db| {
            mark(db, 2)?;
            Err(Error::Forbidden("no"))
        });
        // The database itself refuses this job.
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
    both_databases!(a_failing_job_writes_nothing_and_affects_no_others);

    fn a_failed_job_runs_its_fallback_after_the_rollback(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let (saw, seen) = channel();
        let result = rig.submit_with(
            |db| {
                mark(db, 1)?;
                Err(Error::Conflict("was there"))
            },
            move |db, error| {
                saw.send((list_marks(db), error.code())).unwrap();
                Ok(())
            },
        );
        result.wait().unwrap();
        assert_eq!(seen.recv().unwrap(), (vec![], crate::error::Code::Conflict));
        assert_eq!(scratch.marks(), [0i64; 0]);
        assert!(rig.published().is_empty());
        rig.end();
    }
    both_databases!(a_failed_job_runs_its_fallback_after_the_rollback);

    fn a_failing_fallback_does_not_affect_other_jobs(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let last_words: [fn(&mut Db, Error) -> Result<()>; 3] = [
            |db, _| Ok(execute(db, "SELECT nothing FROM nowhere")?),
            |db, error| mark(db, 66).map_err(Error::from).and(Err(error)),
            |_, _| panic!("a bug in the fallback"),
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
            assert_eq!(scratch.marks(), [1, 2], "acknowledged writes are stored");
            execute(&mut scratch.open(), "DELETE FROM marks").unwrap();
        }
    }
    both_databases!(a_failing_fallback_does_not_affect_other_jobs);

    fn a_commit_is_published_before_its_jobs_are_answered(scratch: Scratch) {
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
        let (writer, thread) = Writer::start(scratch.target.clone(), ROOMY, publish, Metrics::default()).unwrap();
        let rig = Rig { writer, thread, published: Arc::default() };
        let gate = rig.close_gate();
        for n in 1..=3 {
            let log = log.clone();
            let job = Fake {
                run: Box::new(move |db| {
                    mark(db, n)?;
                    Ok(vec![n, 10 * n])
                }),
                resolve: Box::new(|_, error| Err(error)),
                answer: Box::new(move |result| log.send(format!("answered {n}: {result:?}")).unwrap()),
            };
            let deadline = Instant::now() + PATIENCE;
            drop(rig.writer.submit(Box::new(job), Terms { name: "test", cost: Cost::Light, owner: None, deadline }));
        }
        gate.open();
        rig.end();
        drop(log);
        let published = "published [1, 10, 2, 20, 3, 30], stored [1, 2, 3]";
        let answered = ["answered 1: Ok(())", "answered 2: Ok(())", "answered 3: Ok(())"];
        assert_eq!(logged.iter().collect::<Vec<_>>(), [&[published], &answered[..]].concat());
    }
    both_databases!(a_commit_is_published_before_its_jobs_are_answered);

    fn a_full_queue_refuses_the_next_job_at_once(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, WriterSettings { queue: QueueBounds { light: 2, ..BOUNDS }, ..ROOMY });
        let gate = rig.close_gate();
        let waiting = [rig.submit_mark(1), rig.submit_mark(2)];
        let refused = rig.submit_mark(3);
        assert!(refused.at_once().is_some_and(|result| is_unavailable(&result)), "before the writer is free again");
        assert!(waiting.iter().all(|result| result.at_once().is_none()), "these two wait");
        gate.open();
        waiting.into_iter().for_each(|result| result.wait().unwrap());
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

    fn a_deadlock_retries_the_jobs_of_the_batch_one_by_one(scratch: Scratch) {
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
        [before, loser, after].into_iter().for_each(|result| result.wait().unwrap());
        assert_eq!(seen.recv().unwrap(), [vec![], vec![1]], "the job before it was committed separately");
        assert_eq!(rig.published(), [[1], [2], [3]], "the first attempt publishes no events");
        assert_eq!(scratch.marks(), [1, 2, 3]);
        rig.end();
    }
    both_databases!(a_deadlock_retries_the_jobs_of_the_batch_one_by_one);

    fn a_job_that_always_deadlocks_fails_without_the_others(scratch: Scratch) {
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
    both_databases!(a_job_that_always_deadlocks_fails_without_the_others);

    /// A reference that is checked at COMMIT makes COMMIT itself fail.
    fn a_refused_commit_fails_only_the_job_that_caused_it(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let orphans = "CREATE TABLE orphans (n BIGINT REFERENCES marks (n) DEFERRABLE INITIALLY DEFERRED)";
        execute(&mut scratch.open(), orphans).unwrap();
        let rig = Rig::start(&scratch, ROOMY);
        let gate = rig.close_gate();
        let before = rig.submit_mark(1);
        let culprit = rig.submit(|db| {
            execute(db, "INSERT INTO orphans VALUES (999)")?;
            Ok(vec![2])
        });
        let after = rig.submit_mark(3);
        gate.open();
        before.wait().unwrap();
        assert!(is_unavailable(&culprit.wait()));
        after.wait().unwrap();
        assert_eq!(
            rig.published(),
            [[1], [3]],
            "on_unknown_commit is not called, and the first attempt publishes no events"
        );
        assert_eq!(scratch.marks(), [1, 3]);
        rig.end();
    }
    both_databases!(a_refused_commit_fails_only_the_job_that_caused_it);

    #[test]
    fn a_full_disk_fails_large_writes_with_a_known_result() {
        let scratch = Scratch::sqlite().with_marks();
        execute(&mut scratch.open(), "CREATE TABLE blobs (n BIGINT PRIMARY KEY, b BLOB)").unwrap();
        let rig = Rig::start(&scratch, ROOMY);
        let limit = |pages: &'static str| rig.submit(move |db| Ok(execute(db, pages).map(|()| Vec::new())?)).wait();
        limit("PRAGMA max_page_count = 1").expect("no more pages than there are now");
        let blob = |n: i64| {
            rig.submit(move |db| {
                execute(db, &format!("INSERT INTO blobs VALUES ({n}, zeroblob(1000000))"))?;
                Ok(vec![n])
            })
        };
        for round in 1..=10 {
            let gate = rig.close_gate();
            let (before, refused, after) = (rig.submit_mark(2 * round), blob(round), rig.submit_mark(2 * round + 1));
            gate.open();
            before.wait().expect("it needs no page of its own");
            let error = refused.wait().expect_err("the disk is full");
            assert!(matches!(error, Error::DatabaseFull(_)), "{error}");
            assert!(error.detail().contains("no space left"), "{error}");
            after.wait().expect("nor does this");
        }
        assert!(!rig.published().contains(&vec![DOUBT]));
        assert_eq!(scratch.marks(), (2..=21).collect::<Vec<_>>());
        limit("PRAGMA max_page_count = 1000000").unwrap();
        blob(1).wait().expect("with space there, all is well again");
        rig.end();
    }

    #[test]
    fn a_read_only_database_is_reported_as_such() {
        for (scratch, sql) in [
            (Scratch::sqlite(), "PRAGMA query_only = ON"),
            (Scratch::postgres(), "SET default_transaction_read_only = on"),
        ] {
            let scratch = scratch.with_marks();
            let rig = Rig::start(&scratch, ROOMY);
            rig.submit(move |db| Ok(execute(db, sql).map(|()| Vec::new())?)).wait().unwrap();
            let error = rig.submit_mark(1).wait().expect_err("the database is read-only");
            assert_eq!(error.detail(), "the database is read-only");
            assert!(rig.published().is_empty());
            rig.end();
        }
    }

    #[test]
    fn a_lock_timeout_fails_only_the_job_that_waits() {
        let scratch = Scratch::postgres().with_marks();
        execute(&mut scratch.open(), "INSERT INTO marks VALUES (1)").unwrap();
        let mut other = scratch.open();
        execute(&mut other, "BEGIN; SELECT n FROM marks WHERE n = 1 FOR UPDATE").unwrap();
        let rig = Rig::start(&scratch, ROOMY);
        let (sender, pids) = channel();
        let tell = || {
            let sender = sender.clone();
            rig.submit(move |db| {
                sender.send(backend_of(db)).unwrap();
                Ok(Vec::new())
            })
        };
        tell().wait().unwrap();
        let gate = rig.close_gate();
        let before = rig.submit_mark(2);
        let waits = rig.submit(|db| Ok(execute(db, "UPDATE marks SET n = 9 WHERE n = 1").map(|()| vec![9])?));
        let after = rig.submit_mark(3);
        gate.open();
        before.wait().unwrap();
        let error = waits.wait().expect_err("another connection has the lock");
        assert!(matches!(error, Error::DatabaseBusy(_)) && error.retry_in().is_some(), "{error}");
        after.wait().unwrap();
        tell().wait().unwrap();
        let pids: Vec<i32> = pids.try_iter().collect();
        assert_eq!(pids[0], pids[1], "the connection is kept");
        drop(other);
        assert_eq!(scratch.marks(), [1, 2, 3]);
        rig.end();
    }

    fn a_job_that_waited_too_long_is_not_run(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let gate = rig.close_gate();
        let late = Class { patience: Duration::ZERO, ..LIGHT };
        let (light, heavy) = (rig.submit_mark_on(late, 1), rig.submit_mark_on(Class { cost: Cost::Heavy, ..late }, 2));
        let in_time = rig.submit_mark(3);
        gate.open();
        for result in [light, heavy] {
            assert!(is_unavailable(&result.wait()));
        }
        in_time.wait().unwrap();
        assert_eq!(scratch.marks(), [3]);
        rig.end();
    }
    both_databases!(a_job_that_waited_too_long_is_not_run);

    fn a_heavy_job_has_its_own_transaction(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let gate = rig.close_gate();
        let heavy: Vec<_> = [10, 11].map(|n| rig.submit_mark_on(HEAVY, n)).into();
        let refused = rig.submit_mark_on(HEAVY, 12);
        let light: Vec<_> = (1..=3).map(|n| rig.submit_mark(n)).collect();
        assert!(matches!(refused.at_once(), Some(Err(Error::TooManyAtOnce(_)))), "the owner's share is full");
        gate.open();
        heavy.into_iter().chain(light).for_each(|result| result.wait().unwrap());
        assert_eq!(rig.published(), [vec![1, 2, 3], vec![10], vec![11]], "light ones come first");
        rig.end();
    }
    both_databases!(a_heavy_job_has_its_own_transaction);

    fn a_slow_batch_is_committed_early(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, WriterSettings { batch_time: Duration::ZERO, ..ROOMY });
        let gate = rig.close_gate();
        let results: Vec<_> = (1..=3).map(|n| rig.submit_mark(n)).collect();
        gate.open();
        results.into_iter().for_each(|result| result.wait().unwrap());
        assert_eq!(rig.published(), [[1], [2], [3]], "in their order");
        rig.end();
    }
    both_databases!(a_slow_batch_is_committed_early);

    fn a_slow_light_job_runs_alone_from_then_on(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let [ann, bob] = [8, 9].map(|id| Class { owner: Some(UserId::new(id)), ..LIGHT });
        let busy = |_: &mut Db| {
            let began_at = Instant::now();
            while began_at.elapsed() <= SLOW {
                std::hint::spin_loop();
            }
            Ok(Vec::new())
        };
        rig.submit_on(ann, busy, |_, error| Err(error)).wait().unwrap();
        let gate = rig.close_gate();
        let results = [(bob, 1), (ann, 2), (bob, 3)].map(|(class, n)| rig.submit_mark_on(class, n));
        gate.open();
        results.into_iter().for_each(|result| result.wait().unwrap());
        assert_eq!(rig.published(), [vec![1, 3], vec![2]], "others are not charged for it");
        rig.end();
    }
    both_databases!(a_slow_light_job_runs_alone_from_then_on);

    fn the_writer_ends_with_its_last_handle_after_all_jobs(scratch: Scratch) {
        let scratch = scratch.with_marks();
        let Rig { writer, thread, published } = Rig::start(&scratch, WriterSettings { batch: 2, ..ROOMY });
        let rig = Rig { writer: writer.clone(), thread, published };
        let gate = rig.close_gate();
        let results: Vec<_> = (1..=5).map(|n| rig.submit_mark(n)).collect();
        let Rig { writer: other, thread, .. } = rig;
        drop(other);
        assert!(!thread.is_finished());
        drop(writer);
        gate.open();
        thread.join().unwrap();
        results.into_iter().for_each(|result| result.at_once().expect("answered before the end").unwrap());
        assert_eq!(scratch.marks(), [1, 2, 3, 4, 5]);
    }
    both_databases!(the_writer_ends_with_its_last_handle_after_all_jobs);

    /// The Postgres process behind a connection.
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
    fn a_connection_broken_between_batches_fails_one_batch() {
        let scratch = Scratch::postgres().with_marks();
        let rig = Rig::start(&scratch, ROOMY);
        let (sender, pids) = channel();
        let tell = || {
            let sender = sender.clone();
            rig.submit(move |db| {
                sender.send(backend_of(db)).unwrap();
                Ok(Vec::new())
            })
        };
        tell().wait().unwrap();
        let pid = pids.recv().unwrap();
        terminate(&scratch.target, pid);
        assert!(is_unavailable(&rig.submit_mark(1).wait()), "the job that finds the broken connection fails");
        rig.submit_mark(2).wait().unwrap();
        tell().wait().unwrap();
        assert_ne!(pids.recv().unwrap(), pid);
        assert_eq!(scratch.marks(), [2]);
        rig.end();
    }

    #[test]
    fn a_connection_broken_within_a_job_fails_only_that_batch() {
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
        for result in [before, victim, after] {
            assert!(is_unavailable(&result.wait()));
        }
        assert!(rig.published().is_empty());
        rig.submit_mark(5).wait().unwrap();
        assert_eq!(scratch.marks(), [5]);
        rig.end();
    }

    #[test]
    fn deadlocked_writers_all_succeed_in_the_end() {
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
        let results = [submit(&here, 1, 2), submit(&there, 2, 1)];
        results.into_iter().for_each(|result| result.wait().unwrap());
        assert_eq!(scratch.marks(), [1, 2, 11, 12]);
        here.end();
        there.end();
    }
}
