//! Threads for long work. They run at low priority, so that all other threads go first.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

/// Niceness of such a thread; Linux counts it for each thread. When all processors are busy, the
/// thread still gets a tenth of the time of a normal thread.
const NICENESS: i32 = 10;

/// Runs `work` on its own thread with low priority.
///
/// # Errors
/// The system cannot start another thread.
pub fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name).spawn(|| {
        if let Err(error) = rustix::process::nice(NICENESS) {
            log::debug!("a background thread has the usual priority: {error}");
        }
        work();
    })
}

type Work = Box<dyn FnOnce() + Send>;

/// A few low-priority threads that take work in turn. They end when this is dropped and all work is
/// done.
pub struct Threads(Sender<Work>);

impl Threads {
    /// Starts the threads.
    ///
    /// # Errors
    /// The same as [`spawn`].
    pub fn start(name: &str, count: usize) -> io::Result<Self> {
        let (sender, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 1..=count {
            let waiting = Arc::clone(&waiting);
            spawn(format!("{name}-{number}"), move || take_turns(&waiting))?;
        }
        Ok(Self(sender))
    }

    /// Runs `work` when a thread is free. The caller bounds how much work waits.
    pub fn run(&self, work: impl FnOnce() + Send + 'static) {
        // The threads live as long as this value.
        let _ = self.0.send(Box::new(work));
    }
}

fn take_turns(waiting: &Mutex<Receiver<Work>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            // A caller that waits for the work notices a panic; the thread continues.
            Ok(work) => drop(catch_unwind(AssertUnwindSafe(work))),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_background_threads_run_at_low_priority() {
        let (before, niceness) = (rustix::process::nice(0).unwrap(), channel());
        let thread = spawn("test".into(), move || niceness.0.send(rustix::process::nice(0).unwrap()).unwrap()).unwrap();
        assert_eq!(niceness.1.recv().unwrap(), (before + NICENESS).min(19));
        thread.join().unwrap();
        assert_eq!(rustix::process::nice(0).unwrap(), before);
    }

    #[test]
    fn threads_survive_a_panic_and_finish_queued_work_on_drop() {
        let (threads, (done, outcome)) = (Threads::start("test", 1).unwrap(), channel());
        threads.run(|| panic!("as this test wants it"));
        for number in 0..3 {
            let done = done.clone();
            threads.run(move || done.send(number).unwrap());
        }
        drop((threads, done));
        assert_eq!(outcome.iter().collect::<Vec<_>>(), [0, 1, 2]);
    }
}
