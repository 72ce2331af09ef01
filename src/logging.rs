//! Logging to standard error that never blocks the rest of the process. Lines wait in a bounded
//! buffer for the one thread that writes them. When no process reads standard error the buffer
//! fills, and further lines are dropped and counted. The log then states the count in their place.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Maximum number of bytes that wait to be written.
const MAX_BYTES: usize = 1 << 20;
/// Time between two write attempts on a standard error that is set not to block.
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// Accepts whole lines; cheap to clone.
#[derive(Clone)]
pub struct LogWriter(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    /// Notified when there are lines to write, and when all of them are written.
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines dropped since the count was last reported.
    lost: u64,
    /// The thread has taken lines that it has not written yet.
    is_writing: bool,
}

impl LogWriter {
    /// Starts the thread, which writes to standard error until the process ends.
    ///
    /// # Errors
    /// Standard error is closed, or the thread cannot start.
    pub fn start() -> io::Result<Self> {
        // `std::io::stderr` is not used: a stuck thread would keep its lock.
        let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let shared = Arc::new(Shared { waiting: Mutex::default(), changed: Condvar::new() });
        let writer = Self(Arc::clone(&shared));
        thread::Builder::new().name("log".into()).spawn(move || shared.write_to(stderr))?;
        Ok(writer)
    }

    /// Waits until everything is written, for at most `patience`.
    pub fn finish(&self, patience: Duration) {
        let is_busy = |waiting: &mut Waiting| waiting.is_writing || !waiting.lines.is_empty();
        // Lines not written by then are lost: the process is ending, and nothing can report them.
        let _ = self.0.changed.wait_timeout_while(self.0.waiting(), patience, is_busy);
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.waiting();
        if waiting.lines.len() + line.len() > MAX_BYTES {
            waiting.lost += 1;
        } else {
            waiting.lines.extend_from_slice(line);
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut stderr: impl Write) {
        loop {
            let lines = self.take();
            write_all(&mut stderr, &lines);
            self.waiting().is_writing = false;
            self.changed.notify_all();
        }
    }

    /// Waits for lines, then takes all of them, followed by the count of dropped lines.
    fn take(&self) -> Vec<u8> {
        let is_empty = |waiting: &mut Waiting| waiting.lines.is_empty();
        let mut waiting = self.changed.wait_while(self.waiting(), is_empty).unwrap_or_else(PoisonError::into_inner);
        waiting.is_writing = true;
        let mut lines = std::mem::take(&mut waiting.lines);
        if waiting.lost > 0 {
            let lost =
                format!("switchboard: {} log lines were lost, because standard error was not read\n", waiting.lost);
            lines.extend_from_slice(lost.as_bytes());
            waiting.lost = 0;
        }
        lines
    }
}

/// Gives up on an error that is final: there is no other place to report it.
fn write_all(stderr: &mut impl Write, mut lines: &[u8]) {
    while !lines.is_empty() {
        match stderr.write(lines) {
            Ok(0) => return,
            Ok(count) => lines = &lines[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(RETRY_AFTER),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    /// A standard error that accepts a batch when the test opens it.
    struct Gate {
        is_open: Receiver<()>,
        written: SyncSender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            // The sender closes when the test is over.
            self.is_open.recv().map_err(|_| ErrorKind::BrokenPipe)?;
            self.written.send(lines.to_vec()).unwrap();
            Ok(lines.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (LogWriter, SyncSender<()>, Receiver<Vec<u8>>) {
        let ((open, is_open), (written, lines)) = (sync_channel(1), sync_channel(10));
        let shared = Arc::new(Shared { waiting: Mutex::default(), changed: Condvar::new() });
        let writer = LogWriter(Arc::clone(&shared));
        thread::spawn(move || shared.write_to(Gate { is_open, written }));
        (writer, open, lines)
    }

    #[test]
    fn log_lines_queue_up_to_a_bound_without_blocking() {
        let (mut writer, open, written) = gated();
        let line = [b'x'; 1024];
        writer.write_all(&line).unwrap();
        // The thread has taken the line and is stuck until the gate opens.
        while !writer.0.waiting().is_writing {
            thread::yield_now();
        }
        for _ in 0..3 * MAX_BYTES / line.len() {
            writer.write_all(&line).unwrap();
        }
        assert!(writer.0.waiting().lines.len() <= MAX_BYTES);
        assert!(writer.0.waiting().lost > 0, "lost lines are counted");
        let lost = format!("switchboard: {} log lines were lost", writer.0.waiting().lost);
        let mut all = Vec::new();
        while all.len() < MAX_BYTES {
            open.send(()).unwrap();
            all.extend(written.recv().unwrap());
        }
        assert!(String::from_utf8_lossy(&all).contains(&lost), "the count of lost lines is logged in their place");
        writer.finish(Duration::from_secs(20));
        writer.write_all(b"next\n").unwrap();
        open.send(()).unwrap();
        assert_eq!(written.recv().unwrap(), b"next\n");
    }

    #[test]
    fn a_log_flush_at_exit_waits_at_most_its_timeout() {
        let (mut writer, open, written) = gated();
        writer.write_all(b"last\n").unwrap();
        writer.finish(Duration::from_millis(10));
        open.send(()).unwrap();
        assert_eq!(written.recv().unwrap(), b"last\n");
        writer.finish(Duration::from_secs(20));
        assert!(!writer.0.waiting().is_writing);
    }
}
