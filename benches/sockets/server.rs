//! The hub in its own process, with its users already in the database, and the figures that the
//! system counts for it.

use crate::Outcome;
use crate::no_limits::NO_LIMITS;
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use switchboard::auth::hash_token;
use switchboard::clock::Clock;
use switchboard::store::{Db, Target};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Ticks a second in `/proc/PID/stat`, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Name that the runtime gives its threads for blocking work. No user logs in here, so these
/// threads do only reads.
const READING_THREAD: &str = "tokio-rt-worker";

/// Settings besides the rate limits. No absence is announced, because that would distort later
/// figures.
const SETTINGS: [(&str, &str); 6] = [
    ("BIND", "127.0.0.1:0"),
    ("RUST_LOG", "warn"),
    ("MAX_SOCKETS_PER_USER", "0"),
    ("HEARTBEAT_INTERVAL", "8s"),
    ("HEARTBEAT_TIMEOUT", "2m"),
    ("PRESENCE_GRACE", "5m"),
];

/// A running hub with its own database. Users are numbered from 1.
pub struct Server {
    pub address: SocketAddr,
    /// Removed with the hub.
    dir: TempDir,
    process: Child,
}

impl Server {
    pub async fn start(binary: &Path, users: usize) -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        // A file, because an unread pipe fills up.
        let said = dir.path().join("stdout");
        let process = Command::new(binary)
            .envs(SETTINGS)
            .envs(NO_LIMITS)
            .env("DATA_DIR", dir.path())
            .current_dir(&dir)
            .stdout(Stdio::from(fs::File::create(&said)?))
            .spawn()?;
        let mut server = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), dir, process };
        let address = timeout(Duration::from_secs(10), async {
            loop {
                let line = fs::read_to_string(&said)?;
                match line.trim_end().rsplit_once("http://") {
                    Some((_, address)) => return Outcome::Ok(address.parse()?),
                    None => sleep(Duration::from_millis(5)).await,
                }
            }
        });
        server.address = address.await??;
        // The hub has made its own database, also if it is another version.
        seed(server.dir.path(), users)?;
        Ok(server)
    }

    /// Returns the bytes of the process's own memory.
    pub fn memory(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no such key")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
    }

    /// Returns the processor seconds used, user and system together.
    pub fn cpu(&self) -> Outcome<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The name before it may contain spaces. User and system time are the 14th and 15th fields
        // of the line.
        let (_, rest) = stat.rsplit_once(") ").ok_or("not a stat")?;
        let ticks = rest.split(' ').skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
        Ok(ticks / TICKS_PER_SECOND)
    }

    /// Returns the processor seconds of the threads that only read the database. They end after ten
    /// seconds of idling, so use this for a shorter time.
    pub fn cpu_of_reading(&self) -> Outcome<f64> {
        let mut nanoseconds = 0.0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let thread = thread?.path();
            // A thread that has just ended has no figures.
            let read = |file| fs::read_to_string(thread.join(file)).unwrap_or_default();
            if read("comm").trim_end() == READING_THREAD {
                let stat = read("schedstat");
                nanoseconds += stat.split(' ').next().ok_or("not a schedstat")?.parse::<f64>()?;
            }
        }
        Ok(nanoseconds / 1e9)
    }
}

impl Drop for Server {
    /// Kills the hub at once, because no one waits for its remaining output.
    fn drop(&mut self) {
        // Fails only when the process has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the cookie of a user.
pub fn token(user: usize) -> String {
    format!("token-of-{user}")
}

/// Creates users with a login, without a password that would have to be hashed.
fn seed(dir: &Path, users: usize) -> Outcome<()> {
    use diesel::connection::SimpleConnection;
    let Db::Sqlite(mut conn) = Target::Sqlite(dir.join("switchboard.db")).open()? else {
        return Err("this is about SQLite".into());
    };
    let now = Clock::system().now().as_millis();
    let mut sql = String::from("BEGIN;");
    for user in 1..=users {
        let hash = hash_token(&token(user)).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        write!(
            sql,
            "INSERT INTO users (id, username, username_key, display_name, created_at)
                 VALUES ({user}, 'user{user}', 'user{user}', 'User {user}', {now});
             INSERT INTO logins (id, user_id, token_hash, created_at, last_used_at)
                 VALUES ({user}, {user}, x'{hash}', {now}, {now});"
        )?;
    }
    sql.push_str("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
    conn.batch_execute(&sql)?;
    Ok(())
}
