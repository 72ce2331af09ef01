//! A client that writes as fast as it is answered, by one of the two transports, and retries each
//! message without an answer, with the same `client_message_id`.
//!
//! Now and then it also repeats an answered message. It stops when the run is over and every
//! message has its answer.

use super::Scene;
use super::history::{Answer, History, Message};
use crate::load::random::Random;
use crate::support::hub_process::{Person, Socket};
use futures_util::{SinkExt, StreamExt};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message as Packet;

/// Messages in flight on a socket; a request is answered before the next.
const WINDOW: usize = 32;
/// One in this many acknowledged messages is sent again.
const REPEAT: usize = 20;
/// Maximum characters of a message, besides its key.
const FILLER: usize = 200;
/// Longer than the hub's own write timeout.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Clone, Copy)]
pub enum Transport {
    Socket,
    Rest,
}

/// A message in flight.
#[derive(Clone, Debug)]
pub struct Draft {
    pub sender_id: i64,
    pub recipient_id: i64,
    /// Its `client_message_id`.
    pub key: String,
    pub content: String,
    /// The number of attempts.
    pub attempts: u32,
}

/// The reason why a writer stopped using a connection.
enum End {
    /// Everything is answered and the run is over.
    Home,
    /// The hub does not listen there any more.
    NobodyThere,
    /// The hub answered, and then the connection broke.
    Broken,
}

pub struct Writer {
    me: Person,
    transport: Transport,
    scene: watch::Receiver<Scene>,
    history: Arc<Mutex<History>>,
    random: Random,
    /// Messages to send before any new one.
    waiting: VecDeque<Draft>,
    last_acknowledged: Option<Draft>,
    prefix: usize,
    written: u64,
}

impl Writer {
    pub fn new(
        me: Person,
        transport: Transport,
        scene: watch::Receiver<Scene>,
        history: Arc<Mutex<History>>,
        mut random: Random,
    ) -> Self {
        let prefix = random.below(usize::MAX);
        Self {
            me,
            transport,
            scene,
            history,
            random,
            waiting: VecDeque::new(),
            last_acknowledged: None,
            prefix,
            written: 0,
        }
    }

    pub async fn run(mut self) {
        loop {
            let address = self.arrive().await;
            let end = match self.transport {
                Transport::Socket => self.write_over_socket(&address).await,
                Transport::Rest => self.write_over_rest(&address).await,
            };
            match end {
                End::Home => return,
                End::NobodyThere => self.leave(&address).await,
                // The first message to the next hub, if there is one.
                End::Broken => self.waiting.extend(self.last_acknowledged.take()),
            }
        }
    }

    async fn arrive(&mut self) -> String {
        let scene = self.scene.wait_for(|scene| scene.address.is_some()).await.expect("the test is still running");
        scene.address.clone().expect("waited for it")
    }

    async fn leave(&mut self, address: &str) {
        let gone = self.scene.wait_for(|scene| scene.address.as_deref() != Some(address)).await;
        drop(gone.expect("the test is still running"));
    }

    /// The next message to send; none when the run is over.
    fn next(&mut self) -> Option<Draft> {
        let draft = match self.waiting.pop_front() {
            Some(draft) => draft,
            None if self.scene.borrow().is_over => return None,
            None => self.compose(),
        };
        Some(Draft { attempts: draft.attempts + 1, ..draft })
    }

    fn compose(&mut self) -> Draft {
        let recipient_id = self.choose_recipient();
        self.written += 1;
        let key = format!("{:x}-{}", self.prefix, self.written);
        // Letters of one, two, three and four bytes.
        let filler = (0..self.random.below(FILLER)).map(|_| ['a', 'ß', '€', '🦀'][self.random.below(4)]);
        let content = filler.fold(format!("{key} "), |text, letter| text + letter.encode_utf8(&mut [0; 4]));
        Draft { sender_id: self.me.id, recipient_id, key, content, attempts: 0 }
    }

    /// Half of all messages go to the newest user, so that creating a conversation is interrupted
    /// too.
    fn choose_recipient(&mut self) -> i64 {
        let scene = self.scene.borrow();
        let people: Vec<i64> = scene.people.iter().copied().filter(|id| *id != self.me.id).collect();
        match self.random.below(2) {
            0 => people[self.random.below(people.len())],
            _ => people[people.len() - 1],
        }
    }

    fn acknowledge(&mut self, draft: Draft, answer: Answer) {
        self.history.lock().expect("no writer panicked").acknowledge(&draft, answer);
        if self.random.below(REPEAT) == 0 {
            self.waiting.push_back(draft.clone());
        }
        self.last_acknowledged = Some(draft);
    }

    async fn write_over_rest(&mut self, address: &str) -> End {
        let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build().expect("a client");
        let mut was_there = false;
        while let Some(draft) = self.next() {
            let body = json!({
                "recipient_id": draft.recipient_id, "content": draft.content, "client_message_id": draft.key,
            });
            let request = client.post(format!("http://{address}/api/messages")).header("cookie", &self.me.cookie);
            let answer = async {
                let answer = request.json(&body).send().await?;
                let status = answer.status();
                Ok((status, answer.bytes().await?))
            };
            match answer.await {
                Ok((status @ (StatusCode::CREATED | StatusCode::OK), body)) => {
                    was_there = true;
                    let Reply { message, .. } = serde_json::from_slice(&body).expect("a message");
                    self.acknowledge(draft, Answer { message, is_duplicate: status == StatusCode::OK });
                }
                Ok((StatusCode::SERVICE_UNAVAILABLE, _)) => self.waiting.push_front(draft),
                Ok((status, body)) => panic!("{status}: {}", String::from_utf8_lossy(&body)),
                Err(error) => {
                    let error: reqwest::Error = error;
                    assert!(!error.is_timeout(), "no answer within {ANSWER_TIMEOUT:?}");
                    self.waiting.push_front(draft);
                    return if was_there && !error.is_connect() { End::Broken } else { End::NobodyThere };
                }
            }
        }
        End::Home
    }

    async fn write_over_socket(&mut self, address: &str) -> End {
        let Some(socket) = self.me.connect(address).await else { return End::NobodyThere };
        let mut line = Line { socket, under_way: HashMap::new(), revs: HashMap::new() };
        let end = self.write_on(&mut line).await;
        self.waiting.extend(line.under_way.into_values());
        end
    }

    async fn write_on(&mut self, line: &mut Line) -> End {
        loop {
            while line.under_way.len() < WINDOW {
                let Some(draft) = self.next() else { break };
                if line.under_way.contains_key(&draft.key) {
                    // The answer to its repetition has the same `ref` and comes later.
                    self.waiting.push_back(Draft { attempts: draft.attempts - 1, ..draft });
                    break;
                }
                let frame = json!({
                    "type": "private_message", "ref": draft.key, "recipient_id": draft.recipient_id,
                    "content": draft.content, "client_message_id": draft.key,
                });
                line.under_way.insert(draft.key.clone(), draft);
                if line.socket.feed(Packet::text(frame.to_string())).await.is_err() {
                    return End::Broken;
                }
            }
            if line.under_way.is_empty() {
                return End::Home;
            }
            if line.socket.flush().await.is_err() {
                return End::Broken;
            }
            let packet = tokio::time::timeout(ANSWER_TIMEOUT, line.socket.next()).await;
            match packet.unwrap_or_else(|_| panic!("no answer within {ANSWER_TIMEOUT:?}")) {
                Some(Ok(Packet::Text(text))) => self.hear(line, &text),
                Some(Ok(Packet::Ping(_) | Packet::Pong(_))) => {}
                Some(Ok(_) | Err(_)) | None => return End::Broken,
            }
        }
    }

    fn hear(&mut self, line: &mut Line, text: &str) {
        let frame: ReceivedFrame = serde_json::from_str(text).expect("a frame");
        match (frame.kind.as_str(), frame.reference) {
            ("ack", Some(reference)) => {
                let draft = line.under_way.remove(&reference).expect("an answer to something under way");
                let message = frame.message.map(|message| serde_json::from_value(message).expect("a message"));
                let message: Message = message.expect("an answer has the message");
                self.acknowledge(draft, Answer { message, is_duplicate: frame.duplicate });
            }
            ("error", Some(reference)) if frame.code.as_deref() == Some("unavailable") => {
                self.waiting.extend(line.under_way.remove(&reference));
            }
            ("private_message" | "conversation_update", _) => {
                line.count(frame.conversation_id, frame.rev, text);
                if let Some(message) = frame.message {
                    let message = serde_json::from_value(message).expect("a message");
                    self.history.lock().expect("no writer panicked").deliver(message);
                }
            }
            ("error", _) => panic!("{text}"),
            _ => {}
        }
    }
}

/// An open socket and its state.
struct Line {
    socket: Socket,
    under_way: HashMap<String, Draft>,
    /// The last rev that came, for each conversation.
    revs: HashMap<i64, i64>,
}

impl Line {
    /// From the first frame on, a socket receives every change, in order.
    fn count(&mut self, conversation: Option<i64>, rev: Option<i64>, text: &str) {
        let (Some(conversation), Some(rev)) = (conversation, rev) else { panic!("a change has numbers: {text}") };
        if let Some(before) = self.revs.insert(conversation, rev) {
            assert_eq!(rev, before + 1, "a change was left out or came out of order: {text}");
        }
    }
}

#[derive(Deserialize)]
struct Reply {
    message: Message,
}

#[derive(Deserialize)]
struct ReceivedFrame {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "ref")]
    reference: Option<String>,
    code: Option<String>,
    #[serde(default)]
    duplicate: bool,
    conversation_id: Option<i64>,
    rev: Option<i64>,
    message: Option<Value>,
}
