//! A server in its own process, with its users already in the database, and the figures that the
//! system counts for it: a hub on SQLite or Postgres, or a peer to compare it with.

use crate::Outcome;
use crate::no_limits::NO_LIMITS;
use crate::seed::{self, Seed};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use switchboard::store::Target;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Ticks a second in `/proc/PID/stat`, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Name that the runtime gives its threads for blocking work. No user logs in here, so these
/// threads do only reads.
const READING_THREAD: &str = "tokio-rt-worker";

/// Settings of a hub besides the rate limits. No absence is announced, because that would distort
/// later figures.
const SETTINGS: [(&str, &str); 4] =
    [("RUST_LOG", "warn"), ("MAX_SOCKETS_PER_USER", "0"), ("HEARTBEAT_TIMEOUT", "2m"), ("PRESENCE_GRACE", "5m")];

/// The secret that the peers check cookies with, as the hub checks them with its database.
const PEER_SECRET: &[u8] = b"the-secret-of-the-benchmark";

/// A server to measure.
pub struct Subject {
    pub name: String,
    pub kind: Kind,
}

pub enum Kind {
    /// The hub of this binary, on SQLite, or on the Postgres server with this URL.
    Hub { binary: PathBuf, postgres: Option<String> },
    /// A program in `benches/peers`, and whether it commits once a turn of its event loop.
    Peer { runtime: &'static str, program: &'static str, commits_by_turn: bool },
}

/// The processor cores of the server and of the load.
#[derive(Clone, Copy)]
pub struct Cores {
    pub server: &'static str,
    pub load: usize,
}

/// A running server with its own database. Users are numbered from 1.
pub struct Server {
    pub address: SocketAddr,
    pub is_peer: bool,
    process: Child,
    /// The database on Postgres, removed with the server.
    _database: Option<seed::PostgresDatabase>,
    /// Removed with the server.
    _dir: TempDir,
}

impl Server {
    pub async fn start(subject: &Subject, seed: Seed, cores: Option<Cores>) -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let (mut command, target, database) = match &subject.kind {
            Kind::Hub { binary, postgres: None } => {
                let target = Target::Sqlite(dir.path().join("switchboard.db"));
                (start_on(binary, cores), Some(target), None)
            }
            Kind::Hub { binary, postgres: Some(server) } => {
                let database = seed::PostgresDatabase::create(server)?;
                let mut command = start_on(binary, cores);
                command.env("DATABASE_URL", &database.url);
                (command, Some(Target::Postgres(database.url.clone())), Some(database))
            }
            Kind::Peer { runtime, program, commits_by_turn } => {
                let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
                let installed = peers.join("node_modules/.bin").join(runtime);
                let runtime = if installed.exists() { installed } else { PathBuf::from(runtime) };
                let mut command = start_on(&runtime, cores);
                command.arg(peers.join(program)).env("USERS", seed.users.to_string());
                if *commits_by_turn {
                    command.env("COMMIT", "turn");
                }
                (command, None, None)
            }
        };
        // A file, because an unread pipe fills up.
        let said = dir.path().join("stdout");
        let process = command
            .envs(SETTINGS)
            .envs(NO_LIMITS)
            .env("BIND", "127.0.0.1:0")
            .env("DATA_DIR", dir.path())
            .current_dir(&dir)
            .stdout(Stdio::from(fs::File::create(&said)?))
            .spawn()?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { address, is_peer: target.is_none(), process, _database: database, _dir: dir };
        let address = timeout(Duration::from_secs(30), async {
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
        if let Some(target) = target {
            seed.write(&mut target.open()?)?;
        }
        Ok(server)
    }

    /// Returns the headers of a request that authenticate a user. A hub finds the cookie in its
    /// database; a peer checks the signature of a JWT.
    pub fn cookies(&self, user: usize) -> Outcome<String> {
        if !self.is_peer {
            return Ok(format!("Cookie: switchboard={0}; session={0}\r\n", token(user)));
        }
        let claims = json!({"sub": user.to_string(), "exp": 4_000_000_000_u64});
        let jwt = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(PEER_SECRET))?;
        Ok(format!("Cookie: session={jwt}\r\n"))
    }

    /// Returns the bytes of the process's own memory.
    pub fn memory(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no such key")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
    }

    /// Returns the processor seconds used, user and system together. On Postgres they do not
    /// include those of the database server.
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
    /// Kills the server at once, because no one waits for its remaining output.
    fn drop(&mut self) {
        // Fails only when the process has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command that runs on the server's core, if the server has one.
fn start_on(program: &Path, cores: Option<Cores>) -> Command {
    let Some(Cores { server, .. }) = cores else { return Command::new(program) };
    let mut command = Command::new("taskset");
    command.args(["-c", server]).arg(program);
    command
}

/// Returns the cookie of a user.
pub fn token(user: usize) -> String {
    format!("token-of-{user}")
}
