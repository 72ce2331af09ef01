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
