//! The users who chat in pairs at a steady pace, and also call the hub, each from an address of
//! their own.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

const PASSWORD: &str = "correct horse battery";
/// Time between two calls of the crowd besides its messages.
const CALL_EVERY: Duration = Duration::from_millis(200);
/// A call that takes longer counts as a trouble.
const PATIENCE: Duration = Duration::from_secs(10);

/// A user with an account, behind a proxy that the hub trusts.
#[derive(Clone)]
pub struct Guest {
    pub id: i64,
    pub name: String,
    pub cookie: String,
    /// The address that the proxy names.
    pub from: String,
    /// The address of the hub.
    pub address: String,
    /// The users whom the guest adds to groups.
    pub victims: Vec<i64>,
    pub http: reqwest::Client,
}

impl Guest {
    async fn register(address: &str, name: &str, from: &str) -> Self {
        let http = reqwest::Client::new();
        let body = json!({"username": name, "password": PASSWORD});
        let request = http.post(format!("http://{address}/api/auth/register")).header("x-forwarded-for", from);
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{name} from {from}");
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let body: Value = answer.json().await.unwrap();
        let id = body["user"]["id"].as_i64().unwrap();
        let (name, from, address) = (name.to_owned(), from.to_owned(), address.to_owned());
        Self { id, name, cookie, from, address, victims: Vec::new(), http }
    }

    /// The same guest at a hub that was restarted.
    pub fn at(self, address: &str, victims: &[Guest]) -> Self {
        let victims = victims.iter().map(|victim| victim.id).collect();
        Self { address: address.to_owned(), victims, ..self }
    }

    /// Opens new connections, because a connection belongs to the runtime that opened it.
    pub fn with_connections_of_its_own(self) -> Self {
        Self { http: reqwest::Client::new(), ..self }
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().unwrap();
        self.http
            .request(method, format!("http://{}{path}", self.address))
            .header("x-forwarded-for", &self.from)
            .header("cookie", &self.cookie)
    }

    /// Sends the request without the cookie, as a client that has not logged in yet.
    pub fn log_in(&self, password: &str) -> reqwest::RequestBuilder {
        self.http
            .post(format!("http://{}/api/auth/login", self.address))
            .header("x-forwarded-for", &self.from)
            .json(&json!({"username": self.name, "password": password}))
    }

    pub fn log_in_well(&self) -> reqwest::RequestBuilder {
        self.log_in(PASSWORD)
    }

    /// Opens a socket; returns the hub's answer where it was refused.
    pub async fn connect(&self) -> Result<WebSocketStream<TcpStream>, String> {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        for (name, value) in [("cookie", &self.cookie), ("x-forwarded-for", &self.from)] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let tcp = TcpStream::connect(&self.address).await.map_err(|error| error.to_string())?;
        // Browsers set this too; else a message waits for the acknowledgement of the pong before
        // it.
        tcp.set_nodelay(true).map_err(|error| error.to_string())?;
        client_async(request, tcp).await.map(|(socket, _)| socket).map_err(|error| error.to_string())
    }
}

/// Users who share an address.
pub async fn register(address: &str, kind: &str, from: &str, count: usize) -> Vec<Guest> {
    let mut guests = Vec::with_capacity(count);
    for number in 0..count {
        guests.push(Guest::register(address, &format!("{kind}{number}"), from).await);
    }
    guests
}

/// Users with an address each.
pub async fn register_apart(address: &str, kind: &str, count: usize) -> Vec<Guest> {
    let mut guests = Vec::with_capacity(count);
    for number in 0..count {
        let from = format!("198.51.{}.{}", 100 + kind.len(), number + 1);
        guests.push(Guest::register(address, &format!("{kind}{number}"), &from).await);
    }
    guests
}

/// The observations of the crowd.
struct Seen {
    /// Times in messages count from here.
    began: Instant,
    is_measured: AtomicBool,
    is_over: AtomicBool,
    times: Mutex<Vec<Duration>>,
    /// Sender and time of each message of the measurement that has not arrived.
    on_the_way: Mutex<HashSet<(i64, u64)>>,
    troubles: Mutex<Vec<String>>,
    /// Microseconds that the latest message took, and when it came.
    latest: AtomicU64,
    came_at: AtomicU64,
}

impl Seen {
    fn micros(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    fn trouble(&self, what: String) {
        self.troubles.lock().unwrap().push(what);
    }

    fn is_due(&self, sender: i64, due: u64) {
        if self.is_measured.load(Ordering::Relaxed) {
            self.on_the_way.lock().unwrap().insert((sender, due));
        }
    }

    fn arrived(&self, sender: i64, due: u64) {
        let now = self.micros();
        let took = now.saturating_sub(due);
        self.latest.store(took, Ordering::Relaxed);
        self.came_at.store(now, Ordering::Relaxed);
        if self.on_the_way.lock().unwrap().remove(&(sender, due)) {
            self.times.lock().unwrap().push(Duration::from_micros(took));
        }
    }
}

pub struct Crowd {
    seen: Arc<Seen>,
    tasks: JoinSet<()>,
}

impl Crowd {
    /// Connects everybody, who write from now on.
    pub async fn start(people: &[Guest], pace: Duration) -> Self {
        let seen = Arc::new(Seen {
            began: Instant::now(),
            is_measured: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            times: Mutex::default(),
            on_the_way: Mutex::default(),
            troubles: Mutex::default(),
            latest: AtomicU64::new(u64::MAX),
            came_at: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        for (number, guest) in people.iter().enumerate() {
            let socket = guest.connect().await.unwrap();
            let partner = people[number ^ 1].id;
            tasks.spawn(chat(socket, guest.clone(), partner, pace, Arc::clone(&seen)));
        }
        tasks.spawn(call(people.to_vec(), Arc::clone(&seen)));
        Self { seen, tasks }
    }

    pub fn begin(&self) {
        self.seen.times.lock().unwrap().clear();
        self.seen.troubles.lock().unwrap().clear();
        self.seen.on_the_way.lock().unwrap().clear();
        self.seen.is_measured.store(true, Ordering::Relaxed);
    }

    /// The time from when each message was due to be sent until its recipient received it, or until
    /// now, and the troubles.
    pub fn end(&self) -> (Vec<Duration>, Vec<String>) {
        self.seen.is_measured.store(false, Ordering::Relaxed);
        let now = self.seen.micros();
        let missing: Vec<_> = self.seen.on_the_way.lock().unwrap().drain().collect();
        let mut times = std::mem::take(&mut *self.seen.times.lock().unwrap());
        times.extend(missing.into_iter().map(|(_, due)| Duration::from_micros(now.saturating_sub(due))));
        (times, std::mem::take(&mut *self.seen.troubles.lock().unwrap()))
    }

    /// The time that the latest message took, or the time since the last one came.
    pub fn latest(&self) -> Duration {
        let since = self.seen.micros().saturating_sub(self.seen.came_at.load(Ordering::Relaxed));
        Duration::from_micros(self.seen.latest.load(Ordering::Relaxed).max(since.saturating_sub(100_000)))
    }

    pub async fn stop(mut self) {
        self.seen.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

/// Writes to the partner at a steady pace, regardless of the results of earlier messages, and reads
/// the partner's messages.
async fn chat(socket: WebSocketStream<TcpStream>, me: Guest, partner: i64, pace: Duration, seen: Arc<Seen>) {
    let (mut sink, mut stream) = socket.split();
    let mut turns = interval(pace);
    turns.set_missed_tick_behavior(MissedTickBehavior::Burst);
    // The users start at different moments.
    turns.reset_after(pace.mul_f64((me.id % 50) as f64 / 50.0));
    while !seen.is_over.load(Ordering::Relaxed) {
        tokio::select! {
            due = turns.tick() => {
                let due = due.into_std().saturating_duration_since(seen.began).as_micros() as u64;
                seen.is_due(me.id, due);
                let frame = json!({"type": "private_message", "recipient_id": partner, "content": due.to_string()});
                if sink.send(Message::text(frame.to_string())).await.is_err() {
                    return seen.trouble(format!("{} could not send", me.name));
                }
            }
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    match frame["type"].as_str().unwrap() {
                        "private_message" if frame["message"]["sender_id"] == partner => {
                            seen.arrived(partner, frame["message"]["content"].as_str().unwrap().parse().unwrap());
                        }
                        "error" => seen.trouble(format!("{}: {text}", me.name)),
                        _ => {}
                    }
                }
                Some(Ok(Message::Close(reason))) => {
                    return seen.trouble(format!("the socket of {} was closed: {reason:?}", me.name));
                }
                Some(Ok(_)) => {}
                end => return seen.trouble(format!("the socket of {} ended: {end:?}", me.name)),
            }
        }
    }
}

/// Reads, logs in and opens sockets, one user after another.
async fn call(people: Vec<Guest>, seen: Arc<Seen>) {
    let mut turns = interval(CALL_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    while !seen.is_over.load(Ordering::Relaxed) {
        turns.tick().await;
        let guest = &people[number / 5 % people.len()];
        let what = ["read", "search", "find people", "log in", "open a socket"][number % 5];
        let began = Instant::now();
        let outcome = timeout(PATIENCE, async {
            let request = match number % 5 {
                0 => guest.request("GET", "/api/conversations"),
                1 => guest.request("GET", "/api/search?q=1"),
                2 => guest.request("GET", "/api/users?q=person1"),
                3 => guest.log_in_well(),
                _ => return open_socket(guest).await,
            };
            let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
            let status = answer.status();
            let body = answer.text().await.map_err(|error| format!("{error:?}"))?;
            if status.is_success() { Ok(()) } else { Err(format!("{status} {body}")) }
        })
        .await;
        if let Err(why) = outcome.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}"))) {
            seen.trouble(format!("{} could not {what} ({:?}): {why}", guest.name, began.elapsed()));
        }
        number += 1;
    }
}

/// Waits until the socket gets its welcome.
async fn open_socket(guest: &Guest) -> Result<(), String> {
    let mut socket = guest.connect().await?;
    match socket.next().await {
        Some(Ok(Message::Text(text))) if text.contains(r#""event":"welcome""#) => {
            socket.close(None).await.map_err(|error| error.to_string())
        }
        other => Err(format!("{other:?}")),
    }
}
