//! The possible steps of a plan, how often each occurs, and the steps that a seed generates.

use crate::load::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sends over the socket, or over REST where there is none.
    Send,
    SendByRest,
    /// The answer is lost on the way back.
    SendUnheard,
    /// The connection is lost before there can be an answer.
    SendAndVanish,
    /// COMMIT fails, and its result is unknown.
    SendAndFail,
    /// Retries with the same `client_message_id`, whether answered or not.
    Repeat,
    Edit,
    DeleteForEveryone,
    DeleteForMe,
    /// Adds a reaction, or removes it.
    React,
    Clear,
    MarkDelivered,
    MarkRead,
    ReadConversation,
    Block,
    Unblock,
    AddContact,
    RemoveContact,
    /// Creates a group, or retries with the same `client_id`.
    Found,
    /// Adds a user, also one who was in the group before.
    Add,
    Remove,
    Leave,
    SetRole,
    /// Makes another member an owner, and gives up the role.
    HandOver,
    Rename,
    /// COMMIT fails for any of these group changes.
    RegroupAndFail,
    /// The frames in flight arrive: some of them lost, doubled, late or out of order.
    Listen,
    /// Everything arrives, until the client needs no sync.
    Settle,
    Sync,
    SyncByRest,
    Connect,
    /// The connection is lost, together with the frames in flight.
    Vanish,
    Close,
    /// SIGKILL, while some send.
    KillHub,
    /// SIGTERM, while some send.
    RestartHub,
    /// The hub is stopped, and its database is copied.
    BackUp,
    /// The hub is killed, while some send, and the last copy is restored.
    PutBack,
}

/// The weight of each step, out of the sum of all.
const WEIGHTS: &[(Action, usize)] = &[
    (Action::Send, 150),
    (Action::SendByRest, 80),
    (Action::SendUnheard, 40),
    (Action::SendAndVanish, 20),
    (Action::SendAndFail, 15),
    (Action::Repeat, 50),
    (Action::Edit, 60),
    (Action::DeleteForEveryone, 20),
    (Action::DeleteForMe, 50),
    (Action::React, 70),
    (Action::Clear, 20),
    (Action::MarkDelivered, 70),
    (Action::MarkRead, 90),
    (Action::ReadConversation, 40),
    (Action::Block, 15),
    (Action::Unblock, 35),
    (Action::AddContact, 20),
    (Action::RemoveContact, 20),
    (Action::Found, 15),
    (Action::Add, 100),
    (Action::Remove, 60),
    (Action::Leave, 25),
    (Action::SetRole, 45),
    (Action::HandOver, 12),
    (Action::Rename, 30),
    (Action::RegroupAndFail, 12),
    (Action::Listen, 320),
    (Action::Settle, 40),
    (Action::Sync, 40),
    (Action::SyncByRest, 20),
    (Action::Connect, 150),
    (Action::Vanish, 30),
    (Action::Close, 15),
    (Action::KillHub, 18),
    (Action::RestartHub, 8),
    (Action::BackUp, 10),
    (Action::PutBack, 12),
];

/// One step of one device; its other choices come from `random`.
pub struct Step {
    pub device: usize,
    pub action: Action,
    pub random: Random,
}

/// Each step has its own random sequence, so that a shorter plan is the beginning of a longer one.
pub fn steps(seed: u64, count: usize, devices: usize) -> impl Iterator<Item = Step> {
    let mut random = Random::new(seed);
    (0..count).map(move |_| {
        let mut random = random.fork();
        Step { device: random.below(devices), action: draw(&mut random), random }
    })
}

fn draw(random: &mut Random) -> Action {
    let mut ticket = random.below(WEIGHTS.iter().map(|(_, weight)| weight).sum());
    let drawn = WEIGHTS.iter().find(|(_, weight)| {
        let is_it = ticket < *weight;
        ticket = ticket.saturating_sub(*weight);
        is_it
    });
    drawn.expect("the ticket is below the sum").0
}
