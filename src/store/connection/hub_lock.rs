//! The lock that keeps a second hub off a database. Two hubs would not see each other's messages.
//!
//! SQLite: a lock on a file beside the database, whichever settings lead to it. Postgres: an
//! advisory lock, held by a session without other work. The hub watches that session and takes a
//! lost lock again. The hub ends if another hub took the lock first. The system releases either
//! lock when the process ends, however it ends.

use crate::error::{Error, Result};
use crate::ids::Timestamp;
use crate::store::{Db, Target, on};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The key of the advisory lock: "hub!" in ASCII. It fits 32 bits, and no other program locks it in
/// this database.
const HUB_LOCK: i64 = 0x6875_6221;
/// A server releases the lock a moment after a hub was killed.
const PATIENCE_MS: u32 = 5_000;
/// The interval between checks of the session that holds the lock.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The lock. It is held until it is dropped or the process ends.
pub struct HubLock {
    _held: Held,
}

enum Held {
    File { _file: File },
    Session { _watch: Watch },
}

impl HubLock {
    /// Takes the lock. `on_lost` gets the reason if another hub takes the lock later.
    ///
    /// # Errors
    /// `Internal`, naming the hub that has the lock.
    pub fn take(target: &Target, now: Timestamp, on_lost: impl FnOnce(Error) + Send + 'static) -> Result<Self> {
        let me = format!("pid {} on {} since {now}", std::process::id(), host());
        let held = match target {
            Target::Sqlite(path) => Held::File { _file: lock_file(path, &me)? },
            Target::Postgres(_) => Held::Session { _watch: Watch::start(target, &me, on_lost)? },
        };
        Ok(Self { _held: held })
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn taken(by: &str) -> Error {
    Error::Internal(format!("another hub uses this database: {by}; stop it first, or set another DATABASE_URL").into())
}

/// The path of the lock file. It is beside the database file itself, even if a link leads there.
fn lock_path(database: &Path) -> PathBuf {
    let mut path = database.canonicalize().unwrap_or_else(|_| database.to_owned()).into_os_string();
    path.push(".lock");
    path.into()
}

fn lock_file(database: &Path, me: &str) -> Result<File> {
    let path = lock_path(database);
    let failed = |error: std::io::Error| Error::Internal(format!("cannot lock {}: {error}", path.display()).into());
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(failed(error)),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(failed)?;
            return Err(taken(holder.trim_end()));
        }
    }
    file.set_len(0).and_then(|()| writeln!(file, "{me}")).map_err(failed)?;
    Ok(file)
}

/// A Postgres session that holds the lock, and the thread that watches it.
struct Watch {
    /// Dropping it ends the thread, and the session with it.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn start(target: &Target, me: &str, on_lost: impl FnOnce(Error) + Send + 'static) -> Result<Self> {
        let mut session = Session { target: target.clone(), me: format!("switchboard {me}"), db: None };
        if let Attempt::Held { by, .. } = session.attempt()? {
            return Err(taken(&by));
        }
        let (stop, stopped) = channel();
        let thread = thread::Builder::new()
            .name("hub-lock".into())
            .spawn(move || {
                if let Err(lost) = session.watch(&stopped) {
                    on_lost(lost);
                }
            })
            .map_err(|error| Error::Internal(error.into()))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        // The join fails only when the thread panicked, and then the session is gone too.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

enum Attempt {
    Taken,
    Held {
        by: String,
        /// False where the holder is a session of this hub that the server still considers alive.
        is_other: bool,
    },
}

struct Session {
    target: Target,
    /// The name of the session on the server.
    me: String,
    /// `None` while the lock is lost.
    db: Option<Db>,
}

#[derive(QueryableByName)]
struct LockHolder {
    #[diesel(sql_type = Text)]
    application_name: String,
    #[diesel(sql_type = Nullable<Text>)]
    client: Option<String>,
}

impl Session {
    /// Tries to take the lock. Waits for a moment if another session has it.
    fn attempt(&mut self) -> Result<Attempt> {
        let mut db = self.target.open()?;
        // The server soon checks whether a silent hub is still alive.
        on!(&mut db, conn => conn.batch_execute(
            &format!("SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
                      SET lock_timeout = {PATIENCE_MS}")
        ))?;
        let name = diesel::sql_query("SELECT set_config('application_name', $1, FALSE)").bind::<Text, _>(&self.me);
        let Db::Postgres(conn) = &mut db else { return Err(Error::bug("only Postgres has sessions")) };
        name.execute(conn)?;
        let Err(refusal) = diesel::sql_query(format!("SELECT pg_advisory_lock({HUB_LOCK})")).execute(conn) else {
            self.db = Some(db);
            return Ok(Attempt::Taken);
        };
        let holder = diesel::sql_query(format!(
            "SELECT application_name, host(client_addr) AS client FROM pg_locks JOIN pg_stat_activity USING (pid)
             WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = {HUB_LOCK} AND objsubid = 1
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ));
        let holder = holder.get_result::<LockHolder>(conn).optional()?;
        // The server keeps the first 63 bytes of a name.
        let is_mine = |name: &str| !name.is_empty() && self.me.starts_with(name);
        let is_other = holder.as_ref().is_some_and(|holder| !is_mine(&holder.application_name));
        let by = match holder {
            Some(LockHolder { application_name, client: Some(client) }) => format!("{application_name}, from {client}"),
            Some(LockHolder { application_name, client: None }) => application_name,
            None => refusal.to_string(),
        };
        Ok(Attempt::Held { by, is_other })
    }

    /// Watches the session until the watch is stopped.
    ///
    /// # Errors
    /// Another hub has the lock.
    fn watch(mut self, stopped: &Receiver<()>) -> Result<()> {
        while stopped.recv_timeout(POLL_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            if self.db.as_mut().is_some_and(|db| super::probe::probe(db).is_ok()) {
                continue;
            }
            if self.db.take().is_some() {
                log::warn!("the database session with the hub's lock was lost; the hub takes the lock again");
            }
            match self.attempt() {
                Ok(Attempt::Taken) => log::info!("the hub holds its lock again"),
                Ok(Attempt::Held { by, is_other: true }) => return Err(taken(&by)),
                // In the error case the database may be unreachable, which the next operation
                // reports.
                Ok(Attempt::Held { .. }) | Err(_) => {}
            }
        }
        Ok(())
    }
}
