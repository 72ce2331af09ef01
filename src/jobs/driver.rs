//! Runs background jobs, and supervises them: a step that fails or panics is counted and repeated
//! after a pause, and `/health` tells how each job is doing.

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::ids::Timestamp;
use actix_web::rt::task::JoinHandle;
use futures_util::FutureExt;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// Pause after the first failure in a row; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// And the longest pause, so that a job goes on soon after an outage of the database.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A job that keeps failing has one line in the log in this time.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// A background job.
pub trait Job: 'static {
    /// For the log and for `/health`.
    const NAME: &'static str;

    /// Does one step of the work, waiting for its cause where it has one.
    ///
    /// # Errors
    /// Those of the step; it is repeated after a pause. The dispatcher logged them.
    fn run(&mut self) -> impl Future<Output = Result<Next>>;
}

/// When the next step of a job is due.
#[derive(Clone, Debug)]
pub enum Next {
    Now,
    In(Duration),
    /// So long after the signal, so that what follows it is done together.
    AfterSignal(Arc<Notify>, Duration),
    /// Never: what the job works for has ended.
    Ended,
}

/// How a job is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobStatus {
    /// The end of the last step that succeeded.
    pub last_success_at: Option<Timestamp>,
    /// Steps that failed since then.
    pub failures_in_a_row: u64,
    /// Steps that failed since the start.
    pub failures: u64,
}

/// The status of each job, by its name; cheap to clone.
#[derive(Clone, Default)]
pub struct JobStatuses(Arc<Mutex<BTreeMap<&'static str, JobStatus>>>);

impl JobStatuses {
    pub fn list(&self) -> BTreeMap<&'static str, JobStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn update(&self, name: &'static str, change: impl FnOnce(&mut JobStatus)) -> JobStatus {
        let mut statuses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let status = statuses.entry(name).or_default();
        change(status);
        *status
    }
}

/// The jobs of a node, in the order of their start.
pub struct Jobs {
    statuses: JobStatuses,
    clock: Clock,
    first_pause: Duration,
    running: Vec<JoinHandle<()>>,
}

impl Jobs {
    pub fn new(clock: Clock) -> Self {
        Self { statuses: JobStatuses::default(), clock, first_pause: FIRST_PAUSE, running: Vec::new() }
    }

    pub fn statuses(&self) -> JobStatuses {
        self.statuses.clone()
    }

    /// Runs the job until it ends or the jobs are stopped.
    pub fn start<J: Job>(&mut self, job: J) {
        self.statuses.update(J::NAME, |_| {});
        let (statuses, clock) = (self.statuses.clone(), self.clock.clone());
        self.running.push(actix_web::rt::spawn(supervise(job, statuses, clock, self.first_pause)));
    }

    /// Stops the jobs, the last one that was started first, and waits until each has ended. A step
    /// under way is given up; what it gave to the writer is still written.
    pub async fn stop(&mut self) {
        for job in std::mem::take(&mut self.running).into_iter().rev() {
            job.abort();
            // Aborted, or ended before.
            let _ = job.await;
        }
    }
}

async fn supervise<J: Job>(mut job: J, statuses: JobStatuses, clock: Clock, first_pause: Duration) {
    let mut logged_at: Option<Instant> = None;
    loop {
        // A job that panicked goes on from the state that its last step left.
        let outcome = AssertUnwindSafe(job.run()).catch_unwind().await;
        let error = match outcome {
            Ok(Ok(next)) => {
                let now = clock.now();
                statuses.update(J::NAME, |status| {
                    status.last_success_at = Some(now);
                    status.failures_in_a_row = 0;
                });
                match next {
                    Next::Now => {}
                    Next::In(pause) => sleep(pause).await,
                    Next::AfterSignal(signal, debounce) => {
                        signal.notified().await;
                        sleep(debounce).await;
                    }
                    Next::Ended => return,
                }
                continue;
            }
            Ok(Err(error)) => error,
            Err(_) => Error::bug("a background job panicked"),
        };
        let status = statuses.update(J::NAME, |status| {
            status.failures_in_a_row += 1;
            status.failures += 1;
        });
        if logged_at.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            logged_at = Some(Instant::now());
            let (times, total) = (status.failures_in_a_row, status.failures);
            log::warn!("the background job failed: {error} job={} in_a_row={times} failures={total}", J::NAME);
        }
        sleep(pause_after(status.failures_in_a_row, first_pause)).await;
    }
}

/// The pause after so many failures in a row.
fn pause_after(failures: u64, first: Duration) -> Duration {
    let doubled = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    (first * 2_u32.pow(doubled)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Does in each step what the next of these says.
    struct Scripted {
        steps: Vec<fn() -> Result<Next>>,
        done: Rc<Notify>,
    }

    impl Job for Scripted {
        const NAME: &'static str = "scripted";

        async fn run(&mut self) -> Result<Next> {
            match self.steps.pop() {
                Some(step) => step(),
                None => {
                    self.done.notify_one();
                    std::future::pending().await
                }
            }
        }
    }

    #[actix_web::test]
    async fn a_job_continues_after_an_error_or_a_panic() {
        let mut jobs = Jobs { first_pause: Duration::from_millis(1), ..Jobs::new(Clock::system()) };
        let done = Rc::new(Notify::new());
        let mut steps: Vec<fn() -> Result<Next>> =
            vec![|| Ok(Next::Now), || Err(Error::Unavailable("not now")), || panic!("a fault of the job"), || {
                Ok(Next::In(Duration::from_millis(1)))
            }];
        steps.reverse();
        jobs.start(Scripted { steps, done: Rc::clone(&done) });
        done.notified().await;
        let status = jobs.statuses().list()["scripted"];
        assert_eq!((status.failures, status.failures_in_a_row), (2, 0));
        assert!(status.last_success_at.is_some());
        jobs.stop().await;
    }

    #[test]
    fn the_retry_delay_doubles_up_to_its_bound() {
        let seconds = |failures| pause_after(failures, FIRST_PAUSE).as_secs();
        assert_eq!([1, 2, 3, 4, 5, u64::MAX].map(seconds), [1, 2, 4, 5, 5, 5]);
    }

    struct Named<const N: usize>(Rc<RefCell<Vec<usize>>>);

    impl<const N: usize> Drop for Named<N> {
        fn drop(&mut self) {
            self.0.borrow_mut().push(N);
        }
    }

    impl<const N: usize> Job for Named<N> {
        const NAME: &'static str = "named";

        async fn run(&mut self) -> Result<Next> {
            std::future::pending().await
        }
    }

    #[actix_web::test]
    async fn jobs_stop_in_the_reverse_order_of_their_start() {
        let (mut jobs, ended) = (Jobs::new(Clock::system()), Rc::default());
        jobs.start(Named::<1>(Rc::clone(&ended)));
        jobs.start(Named::<2>(Rc::clone(&ended)));
        jobs.start(Named::<3>(Rc::clone(&ended)));
        tokio::task::yield_now().await;
        jobs.stop().await;
        assert_eq!(*ended.borrow(), [3, 2, 1]);
    }

    #[actix_web::test]
    async fn a_job_can_end_on_its_own() {
        struct Once;
        impl Job for Once {
            const NAME: &'static str = "once";

            async fn run(&mut self) -> Result<Next> {
                Ok(Next::Ended)
            }
        }
        let mut jobs = Jobs::new(Clock::system());
        jobs.start(Once);
        for job in jobs.running {
            job.await.expect("it ended");
        }
    }
}
