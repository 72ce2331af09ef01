//! Load of users who write to each other. The load waits for each message at the sender and at the
//! recipient.
//!
//! A closed loop keeps a number of messages in flight and measures the throughput of the hub. An
//! open loop sends at a fixed rate, however late the answers are. It measures from the time at
//! which each message was due, so a hub that stalls cannot slow its own measurement down.

use crate::Outcome;
use crate::client::Client;
use crate::server::Server;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::{self, Display, Formatter};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};
use switchboard::clock::Clock;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Time to create the conversations and to reach a steady load.
const WARM_UP: Duration = Duration::from_secs(1);
/// Parts of a measurement. The last one beside the first shows whether the cost grows with what is
/// stored.
const PARTS: u32 = 3;
/// Maximum number of sockets that connect at once.
const CONNECTING: usize = 16;

/// A load: each of `writers` writes to its own recipient.
pub struct Load {
    pub clients: Vec<Rc<Client>>,
    pub writers: Vec<Writer>,
    pub pace: Pace,
    pub terms: Terms,
}

/// The terms of a load.
#[derive(Clone, Copy)]
pub struct Terms {
    /// How long it is measured.
    pub time: Duration,
    pub ids: Ids,
}

/// The beginning of each `client_message_id`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// The time and then random digits, as in a UUID of version 7.
    Time,
    Random,
}

#[derive(Clone, Copy)]
pub enum Pace {
    /// Closed loop: each writer keeps this many messages in flight.
    InFlight(usize),
    /// Open loop: this many messages a second, from the writers in turn.
    PerSecond(u32),
}

pub struct Writer {
    pub to: To,
    /// Index of the client that it writes with.
    pub client: usize,
    /// Number of other sockets that receive the message.
    pub readers: usize,
}

#[derive(Clone, Copy)]
pub enum To {
    User(usize),
    Conversation(usize),
}

impl Display for To {
    /// Formats the key of a frame.
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, r#""recipient_id":{id}"#),
            Self::Conversation(id) => write!(f, r#""conversation_id":{id}"#),
        }
    }
}

pub struct Measured {
    pub messages_per_second: f64,
    pub deliveries_per_second: f64,
    /// Seconds from when a message was sent, or was due, until the sender has the ack and the only
    /// reader has the message. With more readers: until each of them has it.
    pub p50: f64,
    pub p99: f64,
    /// CPU seconds of the server for each delivery to a reader.
    pub cpu_per_delivery: f64,
    /// Messages in the last third of the time, divided by those in the first.
    pub last_third: f64,
}

/// Connects the users. Returns the clients in the order of the users.
pub async fn connect(server: &Rc<Server>, users: impl Iterator<Item = usize>) -> Outcome<Vec<Rc<Client>>> {
    let users: Vec<usize> = users.collect();
    let mut clients: Vec<Option<Rc<Client>>> = vec![None; users.len()];
    let mut connecting = JoinSet::new();
    let mut waiting = users.into_iter().enumerate();
    loop {
        while connecting.len() < CONNECTING
            && let Some((index, user)) = waiting.next()
        {
            let server = server.clone();
            connecting.spawn_local(async move { (index, Client::connect(&server, user).await) });
        }
        match connecting.join_next().await {
            Some(done) => {
                let (index, client) = done?;
                clients[index] = Some(Rc::new(client?));
            }
            None => return Ok(clients.into_iter().flatten().collect()),
        }
    }
}

/// A message in flight.
struct Sent {
    /// Time at which it was sent, or was due.
    at: Instant,
    /// Number of missing frames: the ack, and one for each reader.
    missing: usize,
}

struct Board {
    writers: Vec<Writer>,
    pace: Pace,
    permits: Vec<Semaphore>,
    terms: Terms,
    random: RandomState,
    sent: RefCell<HashMap<(usize, usize), Sent>>,
    deliveries: Cell<usize>,
    finished: Cell<usize>,
    latencies: RefCell<Vec<f64>>,
}

impl Load {
    pub async fn run(self, server: &Server) -> Outcome<Measured> {
        let in_flight = match self.pace {
            Pace::InFlight(count) => count,
            Pace::PerSecond(_) => 0,
        };
        let board = Rc::new(Board {
            permits: self.writers.iter().map(|_| Semaphore::new(in_flight)).collect(),
            writers: self.writers,
            pace: self.pace,
            terms: self.terms,
            random: RandomState::new(),
            sent: RefCell::default(),
            deliveries: Cell::new(0),
            finished: Cell::new(0),
            latencies: RefCell::default(),
        });
        let mut tasks = JoinSet::new();
        for (index, client) in self.clients.iter().enumerate() {
            let (board, client) = (board.clone(), client.clone());
            tasks.spawn_local(async move {
                loop {
                    if let Err(error) = client.read(|text| board.arrived(index, text)).await {
                        return error;
                    }
                }
            });
        }
        match self.pace {
            Pace::InFlight(_) => {
                for (index, writer) in board.writers.iter().enumerate() {
                    let (board, client) = (board.clone(), self.clients[writer.client].clone());
                    tasks.spawn_local(async move {
                        match board.write(index, &client).await {
                            Ok(never) => match never {},
                            Err(error) => error,
                        }
                    });
                }
            }
            Pace::PerSecond(rate) => {
                let (board, clients) = (board.clone(), self.clients.clone());
                tasks.spawn_local(async move {
                    match board.write_at_rate(rate, &clients).await {
                        Ok(never) => match never {},
                        Err(error) => error,
                    }
                });
            }
        }
        tokio::select! {
            measured = board.watch(server) => measured,
            // The tasks run for ever, unless one fails.
            Some(ended) = tasks.join_next() => Err(ended?),
        }
    }
}

impl Board {
    async fn write(&self, index: usize, client: &Client) -> Outcome<Infallible> {
        let mut number = 0;
        loop {
            self.permits[index].acquire().await?.forget();
            self.send(index, number, Instant::now(), client).await?;
            number += 1;
        }
    }

    /// Sends each message when it is due, or at once when it is overdue.
    async fn write_at_rate(&self, rate: u32, clients: &[Rc<Client>]) -> Outcome<Infallible> {
        let mut due = schedule(rate);
        let mut number = 0;
        while let Some(at) = due.recv().await {
            let index = number % self.writers.len();
            self.send(index, number, at, &clients[self.writers[index].client]).await?;
            number += 1;
        }
        Err("the schedule ended".into())
    }

    async fn send(&self, index: usize, number: usize, at: Instant, client: &Client) -> Outcome<()> {
        let Writer { to, readers, .. } = self.writers[index];
        let (content, id) = ("x".repeat(100), self.beginning_of_id((index, number)));
        let text = format!(
            r#"{{"type":"private_message","ref":"{index}.{number}",{to},"content":"{content}","client_message_id":"{id}-{index}.{number}"}}"#
        );
        self.sent.borrow_mut().insert((index, number), Sent { at, missing: 1 + readers });
        client.send(&text).await
    }

    fn beginning_of_id(&self, name: (usize, usize)) -> String {
        let [one, other] = [0, 1].map(|part: u8| self.random.hash_one((name, part)));
        match self.terms.ids {
            Ids::Random => format!("{one:016x}{other:016x}"),
            Ids::Time => format!("{:012x}{:04x}{other:016x}", Clock::system().now().as_millis(), one >> 48),
        }
    }

    /// Handles a frame that arrived at a client.
    fn arrived(&self, client: usize, text: &str) {
        let is_ack = text.starts_with(r#"{"type":"ack""#);
        let key = match is_ack {
            true => r#""ref":""#,
            false if text.starts_with(r#"{"type":"private_message""#) => r#""client_message_id":""#,
            false => return,
        };
        let name = text.split_once(key).and_then(|(_, rest)| rest.split_once('"')).and_then(|(name, _)| {
            let (_, name) = name.rsplit_once('-').unwrap_or(("", name));
            let (writer, number) = name.split_once('.')?;
            Some((writer.parse::<usize>().ok()?, number.parse::<usize>().ok()?))
        });
        let Some(name) = name else { return };
        if !is_ack {
            if self.writers[name.0].client == client {
                // This is the writer's own copy.
                return;
            }
            self.deliveries.set(self.deliveries.get() + 1);
        }
        let mut sent = self.sent.borrow_mut();
        let Some(message) = sent.get_mut(&name) else { return };
        message.missing -= 1;
        let has_many_readers = self.writers[name.0].readers > 1;
        if (has_many_readers && !is_ack) || (!has_many_readers && message.missing == 0) {
            self.latencies.borrow_mut().push(message.at.elapsed().as_secs_f64());
        }
        if message.missing == 0 {
            self.finished.set(self.finished.get() + 1);
            sent.remove(&name);
            self.permits[name.0].add_permits(1);
        }
    }

    async fn watch(&self, server: &Server) -> Outcome<Measured> {
        sleep(WARM_UP).await;
        self.latencies.take();
        let (began, cpu, deliveries) = (Instant::now(), server.cpu()?, self.deliveries.get());
        let mut finished = vec![self.finished.get()];
        for _ in 0..PARTS {
            sleep(self.terms.time / PARTS).await;
            finished.push(self.finished.get());
        }
        let seconds = began.elapsed().as_secs_f64();
        let mut latencies = self.latencies.take();
        if let Pace::PerSecond(_) = self.pace {
            // A message that has not arrived yet counts with its age.
            latencies.extend(self.sent.borrow().values().map(|sent| sent.at.elapsed().as_secs_f64()));
        }
        let delivered = (self.deliveries.get() - deliveries) as f64;
        latencies.sort_by(f64::total_cmp);
        let at = |part: f64| latencies.get((latencies.len() as f64 * part) as usize).copied().unwrap_or(f64::NAN);
        let in_part: Vec<f64> = finished.windows(2).map(|part| (part[1] - part[0]) as f64).collect();
        Ok(Measured {
            messages_per_second: in_part.iter().sum::<f64>() / seconds,
            deliveries_per_second: delivered / seconds,
            p50: at(0.5),
            p99: at(0.99),
            cpu_per_delivery: (server.cpu()? - cpu) / delivered,
            last_third: in_part[in_part.len() - 1] / in_part[0],
        })
    }
}

/// Sends the due time of each message at this rate, each when it is due. A separate thread keeps
/// the time, because the timers of the runtime are a millisecond coarse.
#[expect(clippy::disallowed_methods, reason = "the thread has nothing to do but to wait")]
fn schedule(rate: u32) -> mpsc::UnboundedReceiver<Instant> {
    let (tell, due) = mpsc::unbounded_channel();
    thread::spawn(move || {
        let (start, interval) = (Instant::now(), Duration::from_secs(1) / rate);
        for number in 0.. {
            let at = start + interval * number;
            thread::sleep(at.saturating_duration_since(Instant::now()));
            // The receiver is gone once the measurement is over.
            if tell.send(at).is_err() {
                return;
            }
        }
    });
    due
}
