//! Socket benchmarks of a hub in its own process on SQLite. They measure the memory of an idle
//! socket, the cost of connecting, the message throughput, and the latency of a message at a fixed
//! rate.
//!
//! `cargo bench --bench sockets` prints medians, and fails when a socket's memory or cost, or a
//! message's latency, exceeds its bound. Names after `--` choose measurements. With the path of
//! another binary in `AGAINST`, both are measured in turn, and it fails when this binary carries
//! less. The hubs get all other environment variables.

mod client;
#[path = "../common/finish.rs"]
mod finish;
mod load;
#[path = "../../tests/common/no_limits.rs"]
mod no_limits;
mod server;

use client::Client;
use finish::finish;
use load::{Load, Measured, Pace, To, Writer, connect};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::Server;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;
const IDLE: usize = 10_000;
/// Users that connect repeatedly, and the number of connects in all.
const CONNECTING: usize = 200;
const CONNECTS: usize = 20_000;
/// Connections made at once.
const AT_ONCE: usize = 8;
/// Requests that fill the caches.
const WARMING: usize = 20_000;
const FAN_OUT: usize = 1_000;
/// Members of the group that write.
const GROUP_WRITERS: usize = 100;

const MOST_MEMORY: f64 = 3_072.0;
const MOST_CONNECT_SECONDS: f64 = 60e-6;
/// Least throughput, as a share of the other binary's.
const LEAST_CARRIED: f64 = 0.95;
const LEAST_GROUP_DELIVERIES: f64 = 300_000.0;
/// Users that write in pairs, and messages a second of all of them together.
const AT_A_RATE: usize = 200;
const RATE: u32 = 2_000;
const MOST_P99_MILLISECONDS: f64 = 3.0;
/// Least share of the rate that must be answered within the measurement.
const LEAST_ANSWERED: f64 = 0.98;

const MEMORY: &str = "idle: bytes of the hub for a socket";
const CONNECT: &str = "connect: CPU us, without its reads";
const GROUP: &str = "group: deliveries/s";
const LATENCY: &str = "latency at 2000/s: p99 ms";
const ANSWERED: &str = "latency at 2000/s: messages/s";

/// Results by measurement: a list for each binary.
#[derive(Default)]
struct Figures(BTreeMap<String, Vec<Vec<f64>>>);

impl Figures {
    fn add(&mut self, what: &str, binary: usize, value: f64) {
        let lists = self.0.entry(what.into()).or_default();
        lists.resize_with(lists.len().max(binary + 1), Vec::new);
        lists[binary].push(value);
    }

    fn add_load(&mut self, what: &str, binary: usize, measured: &Measured) {
        self.add(&format!("{what}: messages/s"), binary, measured.messages_per_second);
        self.add(&format!("{what}: deliveries/s"), binary, measured.deliveries_per_second);
        self.add(&format!("{what}: p50 ms"), binary, measured.p50 * 1e3);
        self.add(&format!("{what}: p99 ms"), binary, measured.p99 * 1e3);
        self.add(&format!("{what}: CPU us for a delivery"), binary, measured.cpu_per_delivery * 1e6);
    }

    /// Adds latencies. Each message has one reader, so a delivery is a message.
    fn add_latency(&mut self, binary: usize, measured: &Measured) {
        self.add(ANSWERED, binary, measured.messages_per_second);
        self.add("latency at 2000/s: p50 ms", binary, measured.p50 * 1e3);
        self.add(LATENCY, binary, measured.p99 * 1e3);
        self.add("latency at 2000/s: CPU us for a message", binary, measured.cpu_per_delivery * 1e6);
    }

    /// Prints the medians. Returns whether all bounds are kept.
    fn report(self) -> bool {
        let mut are_kept = true;
        for (what, lists) in self.0 {
            let medians: Vec<f64> = lists.into_iter().map(median).collect();
            print!("{what:<44} {:>10.1}", medians[0]);
            if let Some(other) = medians.get(1) {
                print!(", the other {other:>10.1}, ratio {:.3}", medians[0] / other);
                are_kept &= !what.ends_with("/s") || medians[0] >= other * LEAST_CARRIED;
            }
            println!();
            are_kept &= what != MEMORY || medians[0] <= MOST_MEMORY;
            are_kept &= what != GROUP || medians[0] >= LEAST_GROUP_DELIVERIES;
            are_kept &= what != LATENCY || medians[0] <= MOST_P99_MILLISECONDS;
            are_kept &= what != ANSWERED || medians[0] >= f64::from(RATE) * LEAST_ANSWERED;
            are_kept &= what != CONNECT || medians[0] <= MOST_CONNECT_SECONDS * 1e6;
        }
        are_kept
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Measures one idle socket for each of many users, after a round of the heartbeat. Then other
/// users write to each other.
async fn idle(server: &Server, figures: &mut Figures, binary: usize) -> Outcome<()> {
    // The memory that the hub uses once does not belong to a socket. Nor do the caches of the
    // database connections, which fill up to their bound.
    drop(Client::connect(server.address, IDLE + 1).await?);
    repeat(WARMING, |number| {
        let address = server.address;
        async move { Client::get(address, 1 + number % IDLE, "/api/auth/me").await }
    })
    .await?;
    let (memory, used) = (server.memory()?, server.cpu()?);
    let clients = connect(server, 1..=IDLE).await?;
    figures.add("idle: CPU us for a first connect", binary, (server.cpu()? - used) * 1e6 / IDLE as f64);
    let mut listening = JoinSet::new();
    for client in &clients {
        let client = client.clone();
        listening.spawn_local(async move { while client.read(|_| ()).await.is_ok() {} });
    }
    let all_pinged = async {
        while clients.iter().any(|client| client.pings() == 0) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(60), all_pinged).await?;
    figures.add(MEMORY, binary, (server.memory()? - memory) / IDLE as f64);
    let load = pairs(server, IDLE + 1, 200, Pace::InFlight(1)).await?;
    figures.add_load("200 write among 10000 idle", binary, &load.run(server).await?);
    Ok(())
}

/// Measures connects of users who are online already, so that none of them is announced. The CPU
/// time of the read-only threads counts as reads. The cost of handing them work and waiting for it
/// counts as the connect.
async fn connects(server: &Server, figures: &mut Figures, binary: usize) -> Outcome<()> {
    let _here = connect(server, 1..=CONNECTING).await?;
    let (began, used, read) = (Instant::now(), server.cpu()?, server.cpu_of_reading()?);
    repeat(CONNECTS, |number| {
        let address = server.address;
        async move { Client::connect(address, 1 + number % CONNECTING).await.map(drop) }
    })
    .await?;
    let of_each = |seconds: f64| seconds * 1e6 / CONNECTS as f64;
    let (used, read) = (of_each(server.cpu()? - used), of_each(server.cpu_of_reading()? - read));
    figures.add("connect: a second, some at once", binary, CONNECTS as f64 / began.elapsed().as_secs_f64());
    figures.add("connect: CPU us", binary, used);
    figures.add("connect: CPU us of its reads", binary, read);
    figures.add(CONNECT, binary, used - read);
    Ok(())
}

/// Runs the work `times` times, several at once.
async fn repeat<F>(times: usize, mut work: impl FnMut(usize) -> F) -> Outcome<()>
where
    F: Future<Output = Outcome<()>> + 'static,
{
    let mut working = JoinSet::new();
    for number in 0..times {
        if working.len() == AT_ONCE
            && let Some(done) = working.join_next().await
        {
            done??;
        }
        working.spawn_local(work(number));
    }
    while let Some(done) = working.join_next().await {
        done??;
    }
    Ok(())
}

/// Starts users who write to each other in pairs.
async fn pairs(server: &Server, first: usize, count: usize, pace: Pace) -> Outcome<Load> {
    let clients = connect(server, first..first + count).await?;
    let writer = |client: usize| Writer { to: To::User(first + (client ^ 1)), client, readers: 1 };
    Ok(Load { clients, writers: (0..count).map(writer).collect(), pace })
}

/// Starts one user who writes to a user with many sockets.
async fn fan_out(server: &Server) -> Outcome<Load> {
    let users = std::iter::once(1).chain(std::iter::repeat_n(2, FAN_OUT));
    let clients: Vec<Rc<Client>> = connect(server, users).await?;
    let writers = vec![Writer { to: To::User(2), client: 0, readers: FAN_OUT }];
    Ok(Load { clients, writers, pace: Pace::InFlight(4) })
}

/// Starts a group with all members online. Some of them write, each one message after another. All
/// members get their unread counts.
async fn group(server: &Server) -> Outcome<Load> {
    let others: Vec<String> = (2..=FAN_OUT).map(|user| user.to_string()).collect();
    let group = format!(r#"{{"participant_ids":[{}],"title":"Everybody"}}"#, others.join(","));
    Client::post(server.address, 1, "/api/conversations", &group).await?;
    let clients = connect(server, 1..=FAN_OUT).await?;
    let writer = |client| Writer { to: To::Conversation(1), client, readers: FAN_OUT - 1 };
    Ok(Load { clients, writers: (0..GROUP_WRITERS).map(writer).collect(), pace: Pace::InFlight(1) })
}

async fn measure(what: &str, binary: &Path, figures: &mut Figures, number: usize) -> Outcome<()> {
    let users = if what == "idle" { IDLE + 200 } else { 1_000 };
    let server = Server::start(binary, users).await?;
    let load = match what {
        "idle" => return idle(&server, figures, number).await,
        "connect" => return connects(&server, figures, number).await,
        "200x1" => pairs(&server, 1, 200, Pace::InFlight(1)).await?,
        "1000x4" => pairs(&server, 1, 1_000, Pace::InFlight(4)).await?,
        "latency" => {
            let load = pairs(&server, 1, AT_A_RATE, Pace::PerSecond(RATE)).await?;
            figures.add_latency(number, &load.run(&server).await?);
            return Ok(());
        }
        "fan-out" => fan_out(&server).await?,
        "group" => group(&server).await?,
        _ => return Err(format!("there is no measurement {what}").into()),
    };
    figures.add_load(what, number, &load.run(&server).await?);
    Ok(())
}

async fn run() -> Outcome<bool> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let mut binaries = vec![PathBuf::from(env!("CARGO_BIN_EXE_switchboard"))];
    binaries.extend(std::env::var_os("AGAINST").map(PathBuf::from));
    let mut chosen: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    if chosen.is_empty() {
        chosen = ["idle", "connect", "200x1", "1000x4", "latency", "fan-out", "group"].map(String::from).into();
    }
    let mut figures = Figures::default();
    for round in 1..=ROUNDS {
        for what in &chosen {
            // The first binary changes with each round.
            for turn in 0..binaries.len() {
                let number = (round + turn) % binaries.len();
                measure(what, &binaries[number], &mut figures, number).await?;
            }
        }
        let load = std::fs::read_to_string("/proc/loadavg")?;
        println!("round {round}: load {}", load.split(' ').take(1).collect::<String>());
    }
    Ok(figures.report())
}

fn main() -> ExitCode {
    finish(run())
}
