//! What an operation is: its access and cost, what it is given, and what it leads to.

pub use crate::store::Cost;

use crate::auth::Caller;
use crate::error::Result;
use crate::ids::{Timestamp, UserId};
use crate::limits::Class;
use crate::policy::Rules;
use crate::store::Db;
use crate::wire::{Event, MessageView};
use schemars::JsonSchema;
use serde::Serialize;

/// Whether an operation runs on a snapshot, or in the write lane: everything
/// that changes something, or tells others anything, in one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// The world as an operation sees it: a transaction, a time, the house rules.
pub struct Cx<'a> {
    pub db: &'a mut Db,
    pub now: Timestamp,
    pub rules: &'a Rules,
    /// Names this history.
    pub epoch: &'a str,
}

/// What an operation leads to. The events are delivered in this order once
/// the transaction is committed, and not at all if it is not.
#[derive(Debug)]
pub struct Outcome<T> {
    pub output: T,
    pub events: Vec<Event>,
}

impl<T> Outcome<T> {
    /// Nobody else hears of it.
    pub fn quiet(output: T) -> Self {
        Self { output, events: Vec::new() }
    }
}

/// An operation that `W` may ask for: a [`Caller`], or [`Nobody`] before a
/// login, or the [`System`] itself.
pub trait Op<W = Caller>: Send + 'static {
    type Output: Send + 'static;

    /// For the log.
    fn name(&self) -> &'static str;

    fn access(&self) -> Access;

    fn class(&self) -> Class {
        match self.access() {
            Access::Read => Class::Unlimited,
            Access::Write => Class::Change,
        }
    }

    /// Decides what the operation shares a transaction and a queue with. It may
    /// depend on the operation's own fields: `Heavy` from 50 people named, say.
    fn cost(&self) -> Cost {
        Cost::Light
    }

    /// Rate tokens of [`class`](Self::class) that one run takes from the caller,
    /// at least 1: the people and rows that the operation names. A charge beyond
    /// the burst of its class is always refused, so keep the largest allowed
    /// operation below it.
    fn charge(&self) -> u32 {
        1
    }

    /// May run more than once before it is committed, so it changes nothing
    /// but the store.
    fn run(&self, who: &W, cx: &mut Cx) -> Result<Outcome<Self::Output>>;

    /// Whether this may be a retry, so that [`earlier`](Self::earlier) is worth
    /// asking: an operation that carries an idempotency key, for example.
    fn replays(&self) -> bool {
        false
    }

    /// The answer of an earlier success, when this is a retry of it. Asked
    /// only when the operation was refused or failed and says that it
    /// [`replays`](Self::replays): a retry is answered before policy and rate
    /// have a say.
    fn earlier(&self, _who: &W, _cx: &mut Cx) -> Result<Option<Self::Output>> {
        Ok(None)
    }
}

/// Who asks before anybody is logged in.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

/// The hub, on its own account.
#[derive(Clone, Copy, Debug)]
pub struct System;

/// Whoever asks: what the door needs to know of them.
pub trait Asker: Copy + Send + 'static {
    /// Whose limits count.
    fn user_id(&self) -> Option<UserId>;
    /// For the log.
    fn describe(&self) -> String;
}

impl Asker for Caller {
    fn user_id(&self) -> Option<UserId> {
        Some(self.user_id)
    }

    fn describe(&self) -> String {
        match self.session_id {
            Some(session_id) => format!("user={} session={session_id}", self.user_id),
            None => format!("user={}", self.user_id),
        }
    }
}

impl Asker for Nobody {
    fn user_id(&self) -> Option<UserId> {
        None
    }

    fn describe(&self) -> String {
        "user=none".into()
    }
}

impl Asker for System {
    fn user_id(&self) -> Option<UserId> {
        None
    }

    fn describe(&self) -> String {
        "user=system".into()
    }
}

/// The reply of an operation that has nothing to say but "done".
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Done {}

/// The reply of an operation about one message.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct MessageReply {
    pub message: MessageView,
}
