//! The hub as a process of its own, with its users already in the database,
//! and what the system counts for it.

use crate::Outcome;
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use switchboard::app::App;
use switchboard::auth::hash_token;
use switchboard::clock::Clock;
use switchboard::config::Config;
use switchboard::store::{Db, Target};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// What a tick of `/proc/PID/stat` is on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the runtime calls the threads for what blocks. Nobody logs in here,
/// so there is nothing but reads.
const READING_THREAD: &str = "tokio-rt-worker";

/// Limits that would slow the load down are off. Nobody's absence is announced,
/// which would fall into somebody else's figures.
const SETTINGS: [(&str, &str); 12] = [
    ("BIND", "127.0.0.1:0"),
    ("RUST_LOG", "warn"),
    ("MESSAGE_RATE", "1000000"),
    ("MESSAGE_BURST", "1000000"),
    ("FRAME_RATE", "1000000"),
    ("FRAME_BURST", "1000000"),
    ("REQUEST_RATE", "1000000"),
    ("REQUEST_BURST", "1000000"),
    ("MAX_SOCKETS_PER_USER", "0"),
    ("HEARTBEAT_INTERVAL", "8s"),
    ("HEARTBEAT_TIMEOUT", "2m"),
    ("PRESENCE_GRACE", "5m"),
];

/// A hub that runs, on a database of its own. Users are numbered from 1.
pub struct Server {
    pub address: SocketAddr,
    /// Gone with the hub.
    _dir: TempDir,
    process: Child,
}

impl Server {
    pub async fn start(binary: &Path, users: usize) -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        seed(dir.path(), users)?;
        // A file, because a pipe that nobody reads fills up.
        let said = dir.path().join("stdout");
        let process = Command::new(binary)
            .envs(SETTINGS)
            .env("DATA_DIR", dir.path())
            .current_dir(&dir)
            .stdout(Stdio::from(fs::File::create(&said)?))
            .spawn()?;
        let mut server = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), _dir: dir, process };
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
        Ok(server)
    }

    /// Bytes in memory that are its own.
    pub fn memory(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no such key")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
    }

    /// Seconds of the processors that it used, user and system together.
    pub fn cpu(&self) -> Outcome<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The name before it may have spaces; user and system time are the
        // 14th and 15th of all.
        let (_, rest) = stat.rsplit_once(") ").ok_or("not a stat")?;
        let ticks = rest.split(' ').skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
        Ok(ticks / TICKS_PER_SECOND)
    }

    /// And those of its threads that only read the database. They end when
    /// they are idle for ten seconds, so this is for less.
    pub fn cpu_of_reading(&self) -> Outcome<f64> {
        let mut nanoseconds = 0.0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let thread = thread?.path();
            // One that has just ended has nothing to say.
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
    /// Ends it at once: nobody waits for what it would still say.
    fn drop(&mut self) {
        // Fails only when it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The configuration that the database of a hub is opened with from here.
fn config(dir: &Path) -> Outcome<Config> {
    let dir = dir.display().to_string();
    Ok(Config::from_lookup(|name| (name == "DATA_DIR").then(|| dir.clone()))?)
}

/// The cookie of a user.
pub fn token(user: usize) -> String {
    format!("token-of-{user}")
}

/// Users that are logged in, without a password that would have to be hashed.
fn seed(dir: &Path, users: usize) -> Outcome<()> {
    use diesel::connection::SimpleConnection;
    App::open(config(dir)?, Clock::system())?;
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
