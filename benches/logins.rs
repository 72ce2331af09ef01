//! The effect of logins on other users. It measures the round trip of a ping over 100 sockets,
//! first with no other load and then while 200 users a second log in. It also checks that the time
//! of a refusal does not reveal which accounts exist.
//!
//! `cargo bench --bench logins` prints both, and fails when one exceeds its bound.

#[path = "common/finish.rs"]
mod finish;

use finish::finish;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::error::Error;
use std::fs::{self, File};
use std::process::{Child, Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const SOCKETS: usize = 100;
const PHASE: Duration = Duration::from_secs(10);
/// Interval between two pings of a socket.
const PING_EVERY: Duration = Duration::from_millis(200);
const LOGINS_PER_SECOND: u32 = 200;
const TRIES: usize = 500;
const PASSWORD: &str = "correct horse battery";

const MOST_ROUND_TRIP: Duration = Duration::from_millis(50);
const MOST_DIFFERENCE: Duration = Duration::from_millis(5);

/// The hub in its own process.
struct Server {
    process: Child,
    address: String,
    http: reqwest::Client,
    /// The next client address. Each login comes from another address, so that no user is locked
    /// out.
    next_address: AtomicU64,
    _dir: TempDir,
}

impl Server {
    async fn start() -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let said = dir.path().join("stdout");
        let process = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .envs([("BIND", "127.0.0.1:0"), ("RUST_LOG", "error"), ("TRUSTED_PROXIES", "127.0.0.1")])
            .env("DATA_DIR", dir.path())
            .current_dir(&dir)
            .stdout(File::create(&said)?)
            .spawn()?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let next_address = AtomicU64::new(0);
        let mut server = Self { process, address: String::new(), http, next_address, _dir: dir };
        while server.address.is_empty() {
            if let Some((_, address)) = fs::read_to_string(&said)?.trim_end().rsplit_once("http://") {
                server.address = address.to_owned();
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(server)
    }

    async fn ask(&self, call: &str, name: &str, password: &str) -> Outcome<reqwest::Response> {
        let number = self.next_address.fetch_add(1, Ordering::Relaxed);
        let from = format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255);
        let url = format!("http://{}/api/auth/{call}", self.address);
        let form: Value = json!({"username": name, "password": password});
        Ok(self.http.post(url).header("x-forwarded-for", from).json(&form).send().await?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn name(number: usize) -> String {
    format!("user{number}")
}

/// Pings until the time is over. Returns each round trip.
async fn ping(server: Arc<Server>, cookie: String, offset: Duration) -> Outcome<Vec<Duration>> {
    let mut request = format!("ws://{}/ws", server.address).into_client_request()?;
    request.headers_mut().insert("cookie", cookie.parse()?);
    let (mut socket, _) = connect_async(request).await?;
    sleep(offset).await;
    let mut round_trips = Vec::new();
    let (began, mut ticks) = (Instant::now(), interval(PING_EVERY));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while began.elapsed() < PHASE {
        ticks.tick().await;
        let sent = Instant::now();
        socket.send(Message::text(r#"{"type":"ping","ref":"1"}"#)).await?;
        loop {
            let message = timeout(Duration::from_secs(10), socket.next()).await?.ok_or("the hub closed a socket")??;
            if message.into_text()?.contains(r#""pong""#) {
                break;
            }
        }
        round_trips.push(sent.elapsed());
    }
    Ok(round_trips)
}

/// Pings over all sockets. Returns the median and the 99th percentile.
async fn ping_all(server: &Arc<Server>, cookies: &[String]) -> Outcome<[Duration; 2]> {
    let mut pinging = JoinSet::new();
    for (number, cookie) in cookies.iter().enumerate() {
        let offset = PING_EVERY * u32::try_from(number)? / u32::try_from(cookies.len())?;
        pinging.spawn(ping(Arc::clone(server), cookie.clone(), offset));
    }
    let mut all = Vec::new();
    while let Some(round_trips) = pinging.join_next().await {
        all.extend(round_trips??);
    }
    all.sort();
    Ok([all[all.len() / 2], all[all.len() * 99 / 100]])
}

/// Logs in without waiting for earlier logins. Returns how many succeeded, and how many were asked
/// to retry later.
async fn flood(server: &Arc<Server>) -> Outcome<[usize; 2]> {
    let mut logins = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / LOGINS_PER_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..LOGINS_PER_SECOND as usize * PHASE.as_secs() as usize {
        ticks.tick().await;
        let server = Arc::clone(server);
        logins.spawn(async move {
            Ok::<_, Box<dyn Error + Send + Sync>>(
                server.ask("login", &name(number % SOCKETS), PASSWORD).await?.status().as_u16(),
            )
        });
    }
    let mut counts = [0; 2];
    while let Some(status) = logins.join_next().await {
        match status?? {
            200 => counts[0] += 1,
            503 => counts[1] += 1,
            other => return Err(format!("a login is answered {other}").into()),
        }
    }
    Ok(counts)
}

/// Returns the median times of a wrong password and of an unknown username, measured in turn.
async fn refusals(server: &Server) -> Outcome<[Duration; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..TRIES {
        for (who, times) in [name(number % SOCKETS), format!("nobody{number}")].iter().zip(&mut times) {
            let began = Instant::now();
            let status = server.ask("login", who, "a wrong password").await?.status().as_u16();
            times.push(began.elapsed());
            if status != 401 {
                return Err(format!("a wrong password is answered {status}").into());
            }
        }
    }
    Ok(times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    }))
}

async fn measure() -> Outcome<bool> {
    let server = Arc::new(Server::start().await?);
    let mut cookies = Vec::new();
    for number in 0..SOCKETS {
        let answer = server.ask("register", &name(number), PASSWORD).await?;
        let cookie = answer.headers().get("set-cookie").ok_or("no cookie")?.to_str()?;
        cookies.push(cookie.split(';').next().unwrap_or_default().to_owned());
    }
    let quiet = ping_all(&server, &cookies).await?;
    let (busy, counts) = tokio::join!(ping_all(&server, &cookies), flood(&server));
    let (busy, [taken, postponed]) = (busy?, counts?);
    println!("a ping, nothing else: p50 {:.2?}, p99 {:.2?}", quiet[0], quiet[1]);
    println!("with {LOGINS_PER_SECOND} logins/s:  p50 {:.2?}, p99 {:.2?}", busy[0], busy[1]);
    println!("ratio of p99: {:.1}", busy[1].as_secs_f64() / quiet[1].as_secs_f64());
    println!("of the logins {taken} got in, and {postponed} were told to come back");
    let [known, unknown] = refusals(&server).await?;
    println!("a wrong password: {known:.2?}; a name that nobody has: {unknown:.2?} (medians of {TRIES})");
    Ok(busy[1] < MOST_ROUND_TRIP && known.abs_diff(unknown) < MOST_DIFFERENCE)
}

fn main() -> ExitCode {
    finish(measure())
}
