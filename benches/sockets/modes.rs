//! The five modes: what each of them starts, and the figures that it adds to the table.

use crate::Outcome;
use crate::client::Client;
use crate::load::{Load, Measured, Pace, Terms, To, Writer, connect};
use crate::seed::Seed;
use crate::server::{Cores, Server, Subject};
use crate::table::{Bound, Table};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub const MODES: [&str; 5] = ["durable", "rate", "fanout", "connect", "idle"];

const IDLE: usize = 10_000;
/// How long the idle sockets are watched: longer than the interval of the heartbeat.
const IDLE_TIME: Duration = Duration::from_secs(20);
/// Users that connect repeatedly, and the number of connects in all.
const CONNECTING: usize = 200;
const CONNECTS: usize = 20_000;
/// Connections made at once.
const AT_ONCE: usize = 8;
/// Requests that fill the caches.
const WARMING: usize = 20_000;
/// Members of the group, and sockets of the user who has many.
const FAN_OUT: usize = 1_000;
/// Users that write in pairs at a rate.
const AT_A_RATE: usize = 200;
const USERS: usize = 1_000;

/// The bounds of this binary on SQLite.
pub const BOUNDS: &[(&str, Bound)] = &[
    ("idle: bytes of the server for a socket", Bound::AtMost(3_072.0)),
    ("fanout 100 writers: deliveries/s", Bound::AtLeast(300_000.0)),
    ("rate 2000/s: p99 ms", Bound::AtMost(3.0)),
    ("rate 2000/s: messages/s", Bound::AtLeast(1_960.0)),
    ("connect: CPU us, without its reads", Bound::AtMost(60.0)),
];

/// The terms of a run.
#[derive(Clone, Copy)]
pub struct Run {
    pub cores: Option<Cores>,
    pub load: Terms,
    /// Messages that the database of a hub has already.
    pub messages: usize,
}

/// One measurement of a mode, on a server of its own.
#[derive(Clone, Copy)]
pub enum Case {
    /// Users in pairs, and the number of messages that each keeps in flight.
    Durable(usize, usize),
    /// Messages a second, from 200 users in pairs.
    Rate(u32),
    /// The members of a group of 1,000 that write, one message after another.
    Group(usize),
    /// Messages a second, from one member of a group of 1,000.
    GroupRate(u32),
    /// One user writes to a user with 1,000 sockets.
    Sockets,
    Connect,
    Idle,
}

impl Case {
    pub fn of(mode: &str) -> Outcome<&'static [Case]> {
        Ok(match mode {
            "durable" => &[Case::Durable(200, 1), Case::Durable(1_000, 4)],
            "rate" => &[Case::Rate(2_000), Case::Rate(4_000)],
            "fanout" => &[Case::GroupRate(100), Case::Group(4), Case::Group(100), Case::Sockets],
            "connect" => &[Case::Connect],
            "idle" => &[Case::Idle],
            _ => return Err(format!("there is no mode {mode}: the modes are {}", MODES.join(", ")).into()),
        })
    }

    pub async fn measure(self, subject: &Subject, run: Run, table: &mut Table, number: usize) -> Outcome<()> {
        let users = if let Case::Idle = self { IDLE + 200 } else { USERS };
        let server = Rc::new(Server::start(subject, Seed { users, messages: run.messages }, run.cores).await?);
        let load = match self {
            Case::Durable(users, in_flight) => pairs(&server, 1, users, Pace::InFlight(in_flight), run.load).await?,
            Case::Rate(rate) => pairs(&server, 1, AT_A_RATE, Pace::PerSecond(rate), run.load).await?,
            Case::Group(writers) => group(&server, writers, Pace::InFlight(1), run.load).await?,
            Case::GroupRate(rate) => group(&server, 1, Pace::PerSecond(rate), run.load).await?,
            Case::Sockets => sockets(&server, run.load).await?,
            Case::Connect => return connects(&server, table, number).await,
            Case::Idle => return idle(&server, run, table, number).await,
        };
        let measured = load.run(&server).await?;
        let mut add = |figure: &str, value: f64| table.add(&format!("{}: {figure}", self.name()), number, value);
        let Measured { messages_per_second, deliveries_per_second, p50, p99, cpu_per_delivery, last_third } = measured;
        add("messages/s", messages_per_second);
        add("p50 ms", p50 * 1e3);
        add("p99 ms", p99 * 1e3);
        if let Case::Durable(..) | Case::Rate(_) = self {
            // Each message has one reader.
            add("CPU us for a message", cpu_per_delivery * 1e6);
            add("last third beside the first", last_third);
        } else {
            add("deliveries/s", deliveries_per_second);
            add("CPU us for a delivery", cpu_per_delivery * 1e6);
        }
        Ok(())
    }

    fn name(self) -> String {
        match self {
            Case::Durable(users, in_flight) => format!("durable {users}x{in_flight}"),
            Case::Rate(rate) => format!("rate {rate}/s"),
            Case::Group(writers) => format!("fanout {writers} writers"),
            Case::GroupRate(rate) => format!("fanout {rate}/s"),
            Case::Sockets => "fanout 1000 sockets".into(),
            Case::Connect => "connect".into(),
            Case::Idle => "idle".into(),
        }
    }
}

/// Measures one idle socket for each of many users, after a round of the heartbeat. Then other
/// users write to each other.
async fn idle(server: &Rc<Server>, run: Run, table: &mut Table, number: usize) -> Outcome<()> {
    // The memory that the hub uses once does not belong to a socket. Nor do the caches of the
    // database connections, which fill up to their bound.
    drop(Client::connect(server, IDLE + 1).await?);
    repeat(WARMING, |count| {
        let server = server.clone();
        async move { Client::get(&server, 1 + count % IDLE, "/api/auth/me").await }
    })
    .await?;
    let (memory, used, began) = (server.memory()?, server.cpu()?, Instant::now());
    let clients = connect(server, 1..=IDLE).await?;
    table.add("idle: first connects/s", number, IDLE as f64 / began.elapsed().as_secs_f64());
    table.add("idle: CPU us for a first connect", number, (server.cpu()? - used) * 1e6 / IDLE as f64);
    let mut listening = JoinSet::new();
    for client in &clients {
        let client = client.clone();
        listening.spawn_local(async move { while client.read(|_| ()).await.is_ok() {} });
    }
    if !server.is_peer {
        let all_pinged = async {
            while clients.iter().any(|client| client.pings() == 0) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(60), all_pinged).await?;
    }
    table.add("idle: bytes of the server for a socket", number, (server.memory()? - memory) / IDLE as f64);
    let used = server.cpu()?;
    sleep(IDLE_TIME).await;
    table.add("idle: CPU ms a second", number, (server.cpu()? - used) * 1e3 / IDLE_TIME.as_secs_f64());
    let load = pairs(server, IDLE + 1, 200, Pace::InFlight(1), run.load).await?;
    table.add("idle: messages/s of 200 beside them", number, load.run(server).await?.messages_per_second);
    Ok(())
}

/// Measures connects of users who are online already, so that none of them is announced. The CPU
/// time of the read-only threads counts as reads. The cost of handing them work and waiting for it
/// counts as the connect.
async fn connects(server: &Rc<Server>, table: &mut Table, number: usize) -> Outcome<()> {
    let _here = connect(server, 1..=CONNECTING).await?;
    let (began, used, read) = (Instant::now(), server.cpu()?, server.cpu_of_reading()?);
    repeat(CONNECTS, |count| {
        let server = server.clone();
        async move { Client::connect(&server, 1 + count % CONNECTING).await.map(drop) }
    })
    .await?;
    let of_each = |seconds: f64| seconds * 1e6 / CONNECTS as f64;
    let (used, read) = (of_each(server.cpu()? - used), of_each(server.cpu_of_reading()? - read));
    table.add("connect: connects/s", number, CONNECTS as f64 / began.elapsed().as_secs_f64());
    table.add("connect: CPU us", number, used);
    if !server.is_peer {
        table.add("connect: CPU us of its reads", number, read);
        table.add("connect: CPU us, without its reads", number, used - read);
    }
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
async fn pairs(server: &Rc<Server>, first: usize, count: usize, pace: Pace, terms: Terms) -> Outcome<Load> {
    let clients = connect(server, first..first + count).await?;
    let writer = |client: usize| Writer { to: To::User(first + (client ^ 1)), client, readers: 1 };
    Ok(Load { clients, writers: (0..count).map(writer).collect(), pace, terms })
}

/// Starts one user who writes to a user with many sockets.
async fn sockets(server: &Rc<Server>, terms: Terms) -> Outcome<Load> {
    let users = std::iter::once(1).chain(std::iter::repeat_n(2, FAN_OUT));
    let clients: Vec<Rc<Client>> = connect(server, users).await?;
    let writers = vec![Writer { to: To::User(2), client: 0, readers: FAN_OUT }];
    Ok(Load { clients, writers, pace: Pace::InFlight(4), terms })
}

/// Starts a group with all members online. Some of them write. All members get their unread counts.
async fn group(server: &Rc<Server>, writers: usize, pace: Pace, terms: Terms) -> Outcome<Load> {
    let others: Vec<String> = (2..=FAN_OUT).map(|user| user.to_string()).collect();
    let group = format!(r#"{{"participant_ids":[{}],"title":"Everybody"}}"#, others.join(","));
    Client::post(server, 1, "/api/conversations", &group).await?;
    let clients = connect(server, 1..=FAN_OUT).await?;
    let writer = |client| Writer { to: To::Conversation(1), client, readers: FAN_OUT - 1 };
    Ok(Load { clients, writers: (0..writers).map(writer).collect(), pace, terms })
}
