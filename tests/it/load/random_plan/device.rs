//! One device of a user: a socket, the frames on the way to it, and the client that holds the
//! frames that arrived.

use super::properties::Order;
use super::rows::{MessageRow, Rows};
use crate::harness::{Model, Socket, User};
use crate::load::random::Random;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::mem;

pub struct Device {
    pub name: String,
    pub user: User,
    pub model: Model,
    socket: Option<Socket>,
    /// Frames that came from the hub and have not arrived yet: the plan decides which do.
    wire: Vec<Value>,
    /// The last rev of each conversation that this socket was told.
    last_revs: BTreeMap<i64, i64>,
    syncs: u64,
    pub counts: Counts,
}

/// Counts of the events of frames and of the client.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    pub arrived: u64,
    pub lost: u64,
    pub doubled: u64,
    pub late: u64,
    pub syncs: u64,
    pub connects: u64,
}

impl Device {
    pub fn new(user: &User, name: String) -> Self {
        Self {
            name,
            user: user.clone(),
            model: Model::default(),
            socket: None,
            wire: Vec::new(),
            last_revs: BTreeMap::new(),
            syncs: 0,
            counts: Counts::default(),
        }
    }

    /// Every message that the client shows.
    pub fn shown(&self) -> Vec<MessageRow> {
        let ids = self.model.conversations.keys();
        ids.flat_map(|id| self.model.shown(*id).into_values().map(MessageRow::from_json)).collect()
    }

    pub fn socket(&mut self) -> Option<&mut Socket> {
        self.socket.as_mut()
    }

    pub fn is_connected(&self) -> bool {
        self.socket.is_some()
    }

    /// Attaches first, and syncs then.
    pub async fn connect(&mut self) {
        let mut socket = Socket::open(&self.user).await;
        let (welcome, _) = socket.welcome().await;
        assert_eq!(welcome["user_id"], self.user.id);
        self.socket = Some(socket);
        self.counts.connects += 1;
        self.sync().await;
    }

    /// Drops the connection and the frames in flight on it: a sync in flight is never answered.
    pub fn disconnect(&mut self) -> Option<Socket> {
        self.wire.clear();
        self.last_revs.clear();
        self.model.disconnect();
        self.socket.take()
    }

    /// The `ref` of the sync that is in flight.
    fn reference(&self) -> Value {
        json!(format!("sync{}", self.syncs))
    }

    fn ask(&mut self) -> Value {
        self.syncs += 1;
        self.counts.syncs += 1;
        self.model.ask()
    }

    /// Sends a sync over the socket; the answer arrives when the plan lets it.
    pub async fn sync(&mut self) {
        let mut request = self.ask();
        (request["type"], request["ref"]) = (json!("sync"), self.reference());
        if let Some(socket) = &mut self.socket {
            socket.frame(request).await;
        }
    }

    /// The same over REST.
    pub async fn sync_by_rest(&mut self, order: &mut Order) {
        let request = self.ask();
        let mut answer = self.user.post("/api/sync", request).await.is(200).ok();
        (answer["type"], answer["ref"]) = (json!("ack"), self.reference());
        order.note_all(self.user.id, &answer);
        self.wire.push(answer);
    }

    /// A received frame is in flight, and counts as received, even if the plan drops it.
    async fn read_socket(&mut self, order: &mut Order) {
        if let Some(socket) = &mut self.socket {
            let frames = socket.received().await;
            for frame in &frames {
                order.note_all(self.user.id, frame);
                self.expect_no_gap(frame);
            }
            self.wire.extend(frames);
        }
    }

    /// Checks that a socket is told every rev of a conversation; if its user may not see the
    /// change, only the number.
    fn expect_no_gap(&mut self, frame: &Value) {
        let (Some(id), Some(rev)) = (frame["conversation_id"].as_i64(), frame["rev"].as_i64()) else { return };
        let is_last = frame["type"] == "conversation_update" && frame["conversation"].is_null();
        let before = if is_last { self.last_revs.remove(&id) } else { self.last_revs.insert(id, rev) };
        assert!(before.is_none_or(|before| rev == before + 1), "{} received {before:?}, and then {frame}", self.name);
    }

    /// Sends a sync. The hub answers now, and the answer arrives only after the frames that come
    /// until [`Device::arrive_before_the_answer`].
    pub async fn ask_early(&mut self, order: &mut Order) {
        if self.socket.is_some() && !self.model.is_syncing() {
            self.sync().await;
            self.read_socket(order).await;
        }
    }

    /// Syncs a device that holds a group without members: nothing happens there any more, so no
    /// frame reveals it.
    pub async fn ask_of_the_abandoned(&mut self, rows: &Rows) {
        let is_abandoned = |id: &i64| rows.participants_in(*id).next().is_none();
        if !self.model.is_syncing() && self.model.conversations.keys().any(is_abandoned) {
            self.sync().await;
        }
    }

    pub async fn arrive_before_the_answer(&mut self, order: &mut Order) {
        self.read_socket(order).await;
        self.wire.sort_by_key(|frame| frame["type"] == "ack");
    }

    /// Delivers the frames in flight as the weather decides; without weather all of them arrive, in
    /// order.
    pub async fn listen(&mut self, weather: Option<&mut Random>, order: &mut Order) {
        if self.socket.is_none() {
            return;
        }
        self.read_socket(order).await;
        let arriving = match weather {
            Some(random) => self.arriving(random),
            None => mem::take(&mut self.wire),
        };
        for frame in arriving {
            self.counts.arrived += 1;
            self.receive(&frame);
        }
        if self.model.wants_sync() {
            self.sync().await;
        }
    }

    /// Drops the frames that came by now; they never arrive.
    pub async fn lose_frames(&mut self, order: &mut Order) {
        self.read_socket(order).await;
        self.counts.lost += self.wire.len() as u64;
        self.wire.clear();
    }

    /// The next frame of this type, which may come after other answers.
    pub async fn wait_for(&mut self, kind: &str) {
        let socket = self.socket.as_mut().expect("the device is connected");
        self.wire.push(socket.expect(kind).await);
    }

    /// Delivers frames and syncs until the client has everything and needs no sync.
    pub async fn settle(&mut self, order: &mut Order) {
        for _ in 0..500 {
            self.listen(None, order).await;
            if self.model.is_at_rest() {
                return;
            }
        }
        panic!("{} asks without an end", self.name);
    }

    fn arriving(&mut self, random: &mut Random) -> Vec<Value> {
        let mut arriving = Vec::new();
        for frame in mem::take(&mut self.wire) {
            match random.below(10) {
                // An answer is lost only with its connection.
                0 | 1 if frame["type"] != "ack" => self.counts.lost += 1,
                2 | 3 => {
                    self.counts.late += 1;
                    self.wire.push(frame);
                }
                4 => {
                    self.counts.doubled += 1;
                    self.wire.push(frame.clone());
                    arriving.push(frame);
                }
                _ => arriving.push(frame),
            }
        }
        for _ in 0..arriving.len() / 3 {
            let (one, other) = (random.below(arriving.len()), random.below(arriving.len()));
            arriving.swap(one, other);
        }
        arriving
    }

    /// The client ignores an answer that it no longer waits for.
    fn receive(&mut self, frame: &Value) {
        if frame["type"] != "ack" {
            assert_ne!(frame["type"], "error", "{}: {frame}", self.name);
            self.model.frame(frame);
        } else if frame["ref"] == self.reference() && self.model.is_syncing() {
            self.model.answer(frame);
        }
    }
}
