//! What can happen in a plan, how often, and the steps that a seed makes of it.

use crate::load::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Over the socket, or over REST where there is none.
    Send,
    SendByRest,
    /// The answer is lost on the way back.
    SendUnheard,
    /// The connection is lost before there can be an answer.
    SendAndVanish,
    /// COMMIT fails, and nobody knows whether it happened.
    SendAndFail,
    /// Once more with the same `client_message_id`, whether answered or not.
    Repeat,
    Edit,
    DeleteForEveryone,
    DeleteForMe,
    /// Or takes the reaction back.
    React,
    Clear,
    MarkDelivered,
    MarkRead,
    ReadConversation,
    Block,
    Unblock,
    AddContact,
    RemoveContact,
    /// Or once more with the same `client_id`.
    Found,
    /// Also whoever was in it before.
    Add,
    Remove,
    Leave,
    SetRole,
    /// Makes somebody else an owner, and is one no longer.
    HandOver,
    Rename,
    /// COMMIT fails for any of these.
    RegroupAndFail,
    /// What came on the wire arrives: some of it lost, doubled, late or out of
    /// order.
    Listen,
    /// Everything arrives, until the client has nothing to ask.
    Settle,
    Sync,
    SyncByRest,
    Connect,
    /// The connection goes, and with it what was on the wire.
    Vanish,
    Close,
    /// SIGKILL, while some send.
    KillHub,
    /// SIGTERM, while some send.
    RestartHub,
    /// The hub is stopped, and a copy of its database made.
    BackUp,
    /// The hub is killed, while some send, and the last copy put back.
    PutBack,
}

/// How often each is drawn, out of the sum of all.
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

/// One thing that one device does; what else there is to decide about it comes
/// from `random`.
pub struct Step {
    pub device: usize,
    pub action: Action,
    pub random: Random,
}

/// Each step has a chance of its own, so that a shorter plan is the beginning
/// of a longer one.
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
