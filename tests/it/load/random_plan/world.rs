//! The hub as a process, the users, their devices, and the effect of each step.
//!
//! After a step only answers to `sync` are under way, so counts taken then are final.

use super::backups::Backup;
use super::device::Device;
use super::groups::Founding;
use super::ledger::Ledger;
use super::plan::{Action, Step};
use super::properties::{self, Order};
use super::rows::MessageRow;
use super::small_hub;
use super::tables::Tables;
use crate::harness::{Client, User, register};
use crate::load::random::Random;
use crate::support::binary::{Binary, Sandbox, wait_for};
use crate::support::temp_database::Scratch;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::AtomicU16;

const NAMES: [&str; 5] = ["ann", "bob", "cat", "dan", "eve"];
/// The owner of each device: some users have several.
const OWNERS: [usize; 10] = [0, 0, 0, 1, 1, 1, 2, 2, 3, 4];
pub const DEVICES: usize = OWNERS.len();

pub struct World {
    // Dropped first, so that the database has no connections any more.
    pub tables: Tables,
    pub hub: Binary,
    pub sandbox: Sandbox,
    pub database: Scratch,
    pub backup: Option<Backup>,
    pub port: Arc<AtomicU16>,
    pub people: Vec<User>,
    /// A user that nobody relates to.
    bystander: User,
    pub devices: Vec<Device>,
    /// Groups that a user created, or tried to.
    pub foundings: Vec<Founding>,
    pub ledger: Ledger,
    pub order: Order,
    pub counts: Counts,
    /// Failed COMMITs of this hub process.
    pub unknown_commits: usize,
}

#[derive(Clone, Copy, Default)]
pub struct Counts {
    pub kills: u64,
    pub restarts: u64,
    pub backups_put_back: u64,
    pub failed_commits: u64,
    /// Changes of messages, and those that were refused.
    pub changes: u64,
    pub refused_changes: u64,
    /// Changes of groups, and those that were refused.
    pub regroupings: u64,
    pub refused_regroupings: u64,
}

impl World {
    pub async fn begin(database: Scratch) -> Self {
        let sandbox = Sandbox::new()
            .with("DATABASE_URL", &database.url)
            .with("RUST_LOG", "warn")
            .with(small_hub::ASKED, "1")
            .with("WORKERS", "2");
        let sandbox = ["MESSAGE_RATE", "MESSAGE_BURST", "FRAME_RATE", "FRAME_BURST", "REQUEST_RATE", "REQUEST_BURST"]
            .into_iter()
            .fold(sandbox, |sandbox, name| sandbox.with(name, "1000000"));
        let mut hub = small_hub::start(&sandbox);
        let port = Arc::new(AtomicU16::new(port_of(&mut hub).await));
        let visitor = Client::new(Arc::clone(&port), None);
        let mut people = Vec::new();
        for name in NAMES {
            people.push(register(&visitor, name).await);
        }
        let bystander = register(&visitor, "bystander").await;
        let device = |(n, owner): (usize, &usize)| Device::new(&people[*owner], format!("{}-{n}", NAMES[*owner]));
        let devices = OWNERS.iter().enumerate().map(device).collect();
        let mut tables = Tables::of(&database);
        tables.lay_trap();
        Self {
            tables,
            hub,
            sandbox,
            database,
            backup: None,
            port,
            people,
            bystander,
            devices,
            foundings: Vec::new(),
            ledger: Ledger::default(),
            order: Order::default(),
            counts: Counts::default(),
            unknown_commits: 0,
        }
    }

    pub async fn perform(&mut self, step: Step) {
        let Step { device: at, action, mut random } = step;
        let random = &mut random;
        match action {
            Action::Send => self.send_new(at, true, random).await,
            Action::SendByRest => self.send_new(at, false, random).await,
            Action::SendUnheard => {
                let number = self.compose(at, random);
                // The plan saw the answer; the sender did not.
                self.request(at, number, random.below(2) == 0).await;
            }
            Action::SendAndVanish => self.send_and_vanish(at, random).await,
            Action::SendAndFail => self.send_and_fail(at, random).await,
            Action::Repeat => self.repeat(at, random).await,
            Action::Edit | Action::DeleteForEveryone | Action::DeleteForMe | Action::React => {
                self.change(at, action, random).await;
            }
            Action::Clear => self.clear(at, random).await,
            Action::MarkDelivered | Action::MarkRead | Action::ReadConversation => self.mark(at, action, random).await,
            Action::Block | Action::Unblock | Action::AddContact | Action::RemoveContact => {
                let (user, other) = (self.devices[at].user.clone(), self.other_than(at, random));
                match action {
                    Action::Block => user.blocks(&other).await,
                    Action::Unblock => user.unblocks(&other).await,
                    Action::AddContact => user.adds_contact(&other).await,
                    _ => user.removes_contact(&other).await,
                }
            }
            Action::Found => self.found(at, false, random).await,
            Action::Add | Action::Remove | Action::Leave | Action::SetRole | Action::HandOver | Action::Rename => {
                self.regroup(at, action, false, random).await;
            }
            Action::RegroupAndFail => self.regroup_and_fail(at, random).await,
            Action::KillHub => self.kill(random).await,
            Action::RestartHub => self.restart(random).await,
            Action::BackUp => self.back_up(random).await,
            Action::PutBack => self.put_back(random).await,
            Action::Vanish | Action::Close => self.disconnect(at, action == Action::Close).await,
            Action::Connect => self.connect(at, random).await,
            Action::Listen | Action::Settle | Action::Sync | Action::SyncByRest => self.hear(at, action, random).await,
        }
    }

    /// A device without a socket opens one first.
    async fn hear(&mut self, at: usize, action: Action, random: &mut Random) {
        let device = &mut self.devices[at];
        match action {
            _ if !device.is_connected() => return self.connect(at, random).await,
            Action::Listen => device.listen(Some(random), &mut self.order).await,
            Action::Settle => device.settle(&mut self.order).await,
            // A client has one sync in flight at a time.
            _ if device.model.is_syncing() => {}
            Action::Sync => device.sync().await,
            _ => device.sync_by_rest(&mut self.order).await,
        }
    }

    /// Half of all connects have quiet weather, and their result is checked at once.
    async fn connect(&mut self, at: usize, random: &mut Random) {
        let device = &mut self.devices[at];
        if device.is_connected() {
            return;
        }
        device.connect().await;
        if random.below(2) == 0 {
            device.settle(&mut self.order).await;
            properties::a_reconnected_device_misses_nothing(&self.devices[at], &self.tables.look());
        }
    }

    /// Returns when the hub has noticed the close, too.
    pub async fn disconnect(&mut self, at: usize, says_goodbye: bool) {
        match self.devices[at].disconnect() {
            Some(socket) if says_goodbye => socket.close().await,
            Some(socket) => drop(socket),
            None => return,
        }
        let left = self.devices.iter().filter(|device| device.is_connected()).count();
        wait_for("the hub to notice", async || (self.bystander.connections().await == Some(left as u64)).then_some(()))
            .await;
        // This write goes through the queue, behind the writes that the hub had begun for the
        // closed connection.
        self.bystander.removes_contact(&self.people[0]).await;
    }

    pub fn other_than(&self, at: usize, random: &mut Random) -> User {
        let others: Vec<&User> = self.people.iter().filter(|user| user.id != self.devices[at].user.id).collect();
        others[random.below(others.len())].clone()
    }

    /// A random position up to the device's last known one.
    async fn mark(&mut self, at: usize, action: Action, random: &mut Random) {
        let (by_socket, before) = (random.below(2) == 0, self.tables.look());
        let device = &mut self.devices[at];
        // Another device may have hidden it meanwhile.
        let is_there = |message: &MessageRow| before.may_see(device.user.id, message);
        let known: Vec<MessageRow> = device.shown().into_iter().filter(is_there).collect();
        let Some(MessageRow { id: message_id, conversation_id: id, seq, .. }) = random.pick(&known).cloned() else {
            return;
        };
        let (frame, path, body) = match action {
            Action::MarkDelivered => (
                json!({"type": "message_delivered", "conversation_id": id, "seq": seq}),
                format!("/api/conversations/{id}/delivered"),
                json!({"seq": seq}),
            ),
            Action::MarkRead => (
                json!({"type": "message_read", "message_id": message_id}),
                format!("/api/conversations/{id}/read"),
                json!({"seq": seq}),
            ),
            _ => (
                json!({"type": "conversation_read", "conversation_id": id}),
                format!("/api/conversations/{id}/read"),
                json!({}),
            ),
        };
        match device.socket().filter(|_| by_socket) {
            Some(socket) => drop(socket.ack(frame).await),
            None => drop(device.user.post(&path, body).await.is(204)),
        }
        // In a group the others are told a little later.
        wait_for("the receipt to be sent", async || (!self.tables.has_pending_receipts()).then_some(())).await;
        let last = before.messages_in(id).map(|message| message.seq).max().expect("there are some");
        let reached = match action {
            Action::MarkDelivered => (seq, 0),
            Action::MarkRead => (seq, seq),
            _ => (last, last),
        };
        properties::a_mark_moves_one_position(&device.user, id, reached, &before, &self.tables.look());
    }
}

/// The port of a hub that was just started.
pub async fn port_of(hub: &mut Binary) -> u16 {
    let address = hub.address().await;
    address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("an address ends with a port")
}
