//! Durable private messages through the dispatcher on SQLite. It measures the gain of group commit
//! over one commit for each message. It also measures the cost of the writer for a lone message,
//! against a commit in the caller's own thread.
//!
//! `cargo bench --bench durable` prints both as ratios of figures measured in turn within one run,
//! and fails when they miss their bounds. It uses no sockets: it measures from the dispatcher to
//! the disk and back.

#[path = "common/finish.rs"]
mod finish;

use finish::finish;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use switchboard::app::App;
use switchboard::auth::Caller;
use switchboard::clock::Clock;
use switchboard::config::Config;
use switchboard::dispatch::Dispatcher;
use switchboard::ids::{LoginId, UserId};
use switchboard::jobs::driver::Jobs;
use switchboard::ops::accounts::register::Register;
use switchboard::ops::logins::log_in::Device;
use switchboard::ops::messages::send_message::SendMessage;
use switchboard::ops::op::{Anonymous, Cx, Op};
use switchboard::policy::Rules;
use switchboard::store::{Target, WriterSettings};
use tempfile::TempDir;

/// Users that send to each other in pairs, and messages that each has in flight. They are more than
/// one batch, so that the writer never waits for the senders.
const USERS: usize = 64;
const IN_FLIGHT: usize = 16;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
const LONE_MESSAGES: usize = 300;

const LEAST_GAIN: f64 = 8.0;
const MOST_LATENCY: f64 = 1.2;

/// A database with users, and its dispatcher.
struct House {
    dispatcher: Dispatcher,
    users: Vec<UserId>,
    /// The job that indexes the sent messages meanwhile, as in every hub.
    indexing: Jobs,
    dir: TempDir,
}

/// Opens a house with the hub's writer settings, or with other ones.
async fn house(writer: Option<WriterSettings>) -> Result<House, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let data_dir = dir.path().display().to_string();
    let config = Config::from_lookup(|name| match name {
        "DATA_DIR" => Some(data_dir.clone()),
        "MESSAGE_RATE" | "MESSAGE_BURST" => Some("1000000".into()),
        _ => None,
    })?;
    let app = App::open(config, Clock::system())?;
    let mut app = match writer {
        Some(writer) => app.with_writer(writer),
        None => app,
    };
    let (dispatcher, _) = app.start_dispatcher()?;
    let mut indexing = Jobs::new(Clock::system());
    indexing.start(app.indexing(&dispatcher));
    let mut users = Vec::new();
    for number in 0..USERS {
        let mut token_hash = [0; 32];
        token_hash[..8].copy_from_slice(&number.to_le_bytes());
        let op = Register {
            username: format!("user{number}"),
            display_name: "User".into(),
            email: None,
            password_hash: "none".into(),
            token_hash,
            device: Device::default(),
            lifetime: Duration::from_secs(3600),
        };
        users.push(dispatcher.call(Anonymous, op).await?.id);
    }
    Ok(House { dispatcher, users, indexing, dir })
}

/// Builds a message with a number that was not sent before.
fn message(from: UserId, to: UserId, number: usize) -> serde_json::Result<SendMessage> {
    let json = serde_json::json!({
        "recipient_id": to.get(),
        "content": "x".repeat(100),
        "client_message_id": format!("{from}-{number}"),
    });
    serde_json::from_value(json)
}

fn caller(user_id: UserId) -> Caller {
    Caller { user_id, login_id: Some(LoginId::new(1)), session_id: None }
}

/// Measures messages a second, with every user sending one message at a time.
async fn throughput(house: &House, sent_before: usize) -> Result<(f64, usize), Box<dyn Error>> {
    let started = Instant::now();
    let senders = (0..USERS * IN_FLIGHT).map(|sender| {
        let (from, to) = (house.users[sender % USERS], house.users[(sender % USERS) ^ 1]);
        let dispatcher = house.dispatcher.clone();
        actix_web::rt::spawn(async move {
            let mut sent = 0;
            while started.elapsed() < ROUND {
                let op = message(from, to, (sent_before + sent) * IN_FLIGHT + sender / USERS)
                    .map_err(|error| error.to_string())?;
                dispatcher.call(caller(from), op).await.map_err(|error| error.to_string())?;
                sent += 1;
            }
            Ok::<_, String>(sent)
        })
    });
    let mut total = 0;
    let mut most = 0;
    for sender in senders.collect::<Vec<_>>() {
        let sent = sender.await??;
        total += sent;
        most = most.max(sent);
    }
    Ok((total as f64 / started.elapsed().as_secs_f64(), sent_before + most))
}

/// Measures the seconds of a lone message through the dispatcher, and of the same work committed in
/// the caller's own thread, message by message in turn.
///
/// Each uses its own database, because two connections that write to one database invalidate each
/// other's page cache.
async fn latencies(house: &House, other: &House) -> Result<(Vec<f64>, Vec<f64>), Box<dyn Error>> {
    let mut db = Target::Sqlite(other.dir.path().join("switchboard.db")).open()?;
    let (from, to) = (house.users[0], house.users[1]);
    let (mut by_door, mut inline) = (Vec::new(), Vec::new());
    for number in 0..LONE_MESSAGES {
        let op = message(from, to, 10_000_000 + 2 * number)?;
        let began = Instant::now();
        house.dispatcher.call(caller(from), op).await?;
        by_door.push(began.elapsed().as_secs_f64());

        let op = message(from, to, 10_000_001 + 2 * number)?;
        let began = Instant::now();
        db.write_transaction(|db| {
            let mut cx = Cx { db, now: Clock::system().now(), rules: &Rules::OPEN, epoch: "bench" };
            op.run(&caller(from), &mut cx)
        })?;
        inline.push(began.elapsed().as_secs_f64());
    }
    Ok((by_door, inline))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn run() -> Result<bool, Box<dyn Error>> {
    let usual = WriterSettings::for_target(&Target::Sqlite("switchboard.db".into()));
    let mut grouped = house(None).await?;
    let mut single = house(Some(WriterSettings { batch: 1, ..usual })).await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    let (mut sent_with, mut sent_without) = (0, 0);
    for round in 1..=ROUNDS {
        let (rate, sent) = throughput(&grouped, sent_with).await?;
        with.push(rate);
        sent_with = sent;
        let (rate, sent) = throughput(&single, sent_without).await?;
        without.push(rate);
        sent_without = sent;
        println!("round {round}: group commit {:>7.0} messages/s, one commit each {rate:>6.0}", with[with.len() - 1]);
    }
    let gain = median(&mut with) / median(&mut without);
    println!("group commit gives {gain:.1} times the messages/s (at least {LEAST_GAIN})");

    // A lone message has no thousands of others beside it that wait for the index.
    grouped.indexing.stop().await;
    single.indexing.stop().await;
    let (mut by_door, mut inline) = latencies(&grouped, &single).await?;
    let (door_p50, inline_p50) = (median(&mut by_door), median(&mut inline));
    let latency = door_p50 / inline_p50;
    println!(
        "a lone message takes {:.0} us by the dispatcher, {:.0} us committed inline: {latency:.2} times (at most {MOST_LATENCY})",
        door_p50 * 1e6,
        inline_p50 * 1e6
    );
    Ok(gain >= LEAST_GAIN && latency <= MOST_LATENCY)
}

fn main() -> ExitCode {
    finish(run())
}
