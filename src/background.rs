//! Threads for work that takes long: they let all others go first.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Of such a thread alone, as Linux counts it. With all processors busy it still gets a tenth
/// of the time of another.
const NICENESS: i32 = 10;

/// Runs `work` on a thread of its own and of low priority.
///
/// # Errors
/// The system has no room for one more thread.
pub fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name).spawn(|| {
        if let Err(error) = rustix::process::nice(NICENESS) {
            log::debug!("a background thread has the usual priority: {error}");
        }
        work();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn background_threads_have_a_low_priority_and_others_keep_theirs() {
        let (before, niceness) = (rustix::process::nice(0).unwrap(), std::sync::mpsc::channel());
        let thread = spawn("test".into(), move || niceness.0.send(rustix::process::nice(0).unwrap()).unwrap()).unwrap();
        assert_eq!(niceness.1.recv().unwrap(), (before + NICENESS).min(19));
        thread.join().unwrap();
        assert_eq!(rustix::process::nice(0).unwrap(), before);
    }
}
