//! Copies SQLite's write-ahead log into the database beside the writer.
//!
//! Without this, the writer copies thousands of pages itself whenever the log reaches its limit,
//! and all writes wait for tens of milliseconds. Here a thread of low priority copies most of them
//! earlier, while the writer continues (a "passive" checkpoint:
//! <https://sqlite.org/wal.html#ckpt>). At its limit the writer copies the few pages that are left,
//! and restarts the log.

use crate::background;
use crate::error::{Error, Result};
use crate::store::{Db, Target};
use diesel::connection::SimpleConnection;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// The number of commits from one copy to the next.
const EVERY: u32 = 128;

/// The writer's handle. Dropping it waits until the running copy has ended.
pub(crate) struct Checkpoints {
    commits: u32,
    /// `None` for Postgres, which does all this itself.
    copier: Option<Copier>,
}

struct Copier {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub fn start(target: &Target) -> Result<Self> {
        let copier = match target {
            Target::Sqlite(_) => Some(Copier::start(target.clone())?),
            Target::Postgres(_) => None,
        };
        Ok(Self { commits: 0, copier })
    }

    /// Counts a commit of the writer.
    pub fn count(&mut self) {
        self.commits += 1;
        if self.commits >= EVERY
            && let Some(Copier { wake: Some(wake), .. }) = &self.copier
        {
            self.commits = 0;
            // A full channel means that another copy follows the running one.
            let _ = wake.try_send(());
        }
    }
}

impl Copier {
    fn start(target: Target) -> Result<Self> {
        let (wake, is_due) = sync_channel(1);
        let thread = background::spawn("checkpoints".into(), move || copy(&target, &is_due))
            .map_err(|error| Error::Internal(error.into()))?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.wake = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the thread that copies the write-ahead log panicked");
        }
    }
}

/// Runs until the writer ends. A failed copy is left to the writer, which copies everything at its
/// limit.
fn copy(target: &Target, is_due: &Receiver<()>) {
    let mut open: Option<Db> = None;
    while is_due.recv().is_ok() {
        let outcome = match open.take() {
            Some(db) => Ok(db),
            None => target.open_for_reading(),
        };
        let outcome = outcome.and_then(|mut db| {
            crate::store::on!(&mut db, conn => conn.batch_execute("PRAGMA wal_checkpoint(PASSIVE)"))?;
            Ok(db)
        });
        match outcome {
            Ok(db) => open = Some(db),
            Err(error) => log::debug!("the write-ahead log was not copied: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scratch::{Scratch, list_marks, mark};
    use std::time::{Duration, Instant};

    #[test]
    fn checkpoints_copy_the_log_while_the_writer_continues() {
        let scratch = Scratch::sqlite().with_marks();
        let Target::Sqlite(path) = &scratch.target else { panic!("it is SQLite") };
        let size = || std::fs::metadata(path).unwrap().len();
        let (mut db, before) = (scratch.open(), size());
        let mut checkpoints = Checkpoints::start(&scratch.target).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut n = 0;
        // The writer itself would begin at thousands of pages.
        while size() <= before {
            assert!(Instant::now() < deadline, "none of {n} marks was copied");
            n += 1;
            mark(&mut db, n).unwrap();
            checkpoints.count();
        }
        assert!(n >= i64::from(EVERY), "{n}");
        drop(checkpoints);
        mark(&mut db, n + 1).expect("the writer continues on its own");
        assert_eq!(list_marks(&mut db).len() as i64, n + 1);
    }
}
