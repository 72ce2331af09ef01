//! Socket benchmarks of a hub in its own process: messages a second, their latency at a rate,
//! groups, connects and idle sockets.
//!
//! `cargo bench --bench sockets` prints a table of medians, and fails when a figure of this binary
//! on SQLite exceeds its bound. Names after `--` choose modes: `durable`, `rate`, `fanout`,
//! `connect` and `idle`. The environment chooses the rest; the hubs get all other variables:
//!
//! - `TEST_POSTGRES_URL`, which `scripts/with-servers` sets, adds a column on Postgres.
//! - `DATABASES=postgres` (or `sqlite`) leaves the other database out.
//! - `AGAINST` is the path of another binary. Both are measured in turn. The benchmark fails when
//!   this binary carries less.
//! - `PEERS=1` adds the servers in `benches/peers`.
//! - `PIN=0` leaves the server on all cores. Otherwise the server has one core, and the load
//!   another.
//! - `IDS=random` makes ids of messages that do not grow with time.
//! - `SECONDS`, 3 by default, is the time of each load. `ROUNDS` is 3 by default.
//! - `MESSAGES` is the number of messages that the database has before the load.

mod client;
#[path = "../common/finish.rs"]
mod finish;
mod load;
mod modes;
#[path = "../../tests/common/no_limits.rs"]
mod no_limits;
mod seed;
mod server;
mod table;

use finish::finish;
use load::{Ids, Terms};
use modes::{BOUNDS, Case, MODES, Run};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use server::{Cores, Kind, Subject};
use std::env::var;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;
use table::Table;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The server has the second core, because the system's own work often runs on the first.
const CORES: Cores = Cores { server: "1", load: 0 };

/// Returns a number from the environment.
fn number<T: FromStr<Err: Error + 'static>>(name: &str, default: T) -> Outcome<T> {
    Ok(var(name).ok().map(|text| text.parse()).transpose()?.unwrap_or(default))
}

/// Pairs of columns: this binary and the other one on the same database.
type Against = Vec<(usize, usize)>;

/// Lists the servers to measure.
fn subjects() -> Outcome<(Vec<Subject>, Against)> {
    let (mut subjects, mut against) = (Vec::new(), Vec::new());
    let chosen = var("DATABASES").unwrap_or_else(|_| "sqlite,postgres".into());
    let mut databases = Vec::new();
    if chosen.contains("sqlite") {
        databases.push(("SQLite", None));
    }
    if chosen.contains("postgres") {
        databases.extend(var("TEST_POSTGRES_URL").ok().map(|server| ("Postgres", Some(server))));
    }
    if databases.is_empty() {
        return Err("DATABASES names none that is there: Postgres needs scripts/with-servers".into());
    }
    for (name, postgres) in databases {
        let own = Path::new(env!("CARGO_BIN_EXE_switchboard")).to_path_buf();
        subjects.push(Subject { name: name.into(), kind: Kind::Hub { binary: own, postgres: postgres.clone() } });
        if let Some(binary) = std::env::var_os("AGAINST").map(PathBuf::from) {
            against.push((subjects.len() - 1, subjects.len()));
            subjects.push(Subject { name: format!("other {name}"), kind: Kind::Hub { binary, postgres } });
        }
    }
    if var("PEERS").is_ok_and(|peers| peers != "0") {
        for (name, runtime, program, commits_by_turn) in [
            ("Bun", "bun", "bun.js", false),
            ("Bun, by turn", "bun", "bun.js", true),
            ("Node ws", "node", "ws.js", false),
        ] {
            subjects.push(Subject { name: name.into(), kind: Kind::Peer { runtime, program, commits_by_turn } });
        }
    }
    Ok((subjects, against))
}

async fn run() -> Outcome<bool> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let is_pinned = var("PIN").map_or(true, |pin| pin != "0") && std::thread::available_parallelism()?.get() > 1;
    if is_pinned {
        let mut cores = CpuSet::new();
        cores.set(CORES.load);
        sched_setaffinity(None, &cores)?;
    }
    let ids = match var("IDS").as_deref() {
        Ok("random") => Ids::Random,
        Err(_) | Ok("time") => Ids::Time,
        Ok(_) => return Err("IDS is time or random".into()),
    };
    let load = Terms { time: Duration::from_secs(number("SECONDS", 3)?), ids };
    let run = Run { cores: is_pinned.then_some(CORES), load, messages: number("MESSAGES", 0)? };
    let mut chosen: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    if chosen.is_empty() {
        chosen = MODES.map(String::from).into();
    }
    let (subjects, against) = subjects()?;
    let mut table = Table::new(subjects.iter().map(|subject| subject.name.clone()).collect());
    for round in 1..=number("ROUNDS", 3_usize)? {
        for mode in &chosen {
            for case in Case::of(mode)? {
                // The first server changes with each round.
                for turn in 0..subjects.len() {
                    let number = (round + turn) % subjects.len();
                    case.measure(&subjects[number], run, &mut table, number).await?;
                }
            }
        }
        let load = std::fs::read_to_string("/proc/loadavg")?;
        println!("round {round}: load {}", load.split(' ').take(1).collect::<String>());
    }
    let bounds = if run.messages == 0 && var("DATABASES").is_err() { BOUNDS } else { &[] };
    Ok(table.report(bounds, &against))
}

fn main() -> ExitCode {
    finish(run())
}
