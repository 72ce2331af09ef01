//! What an operation is: its access and cost, what it is given, and what it leads to.

pub use crate::store::Cost;

use crate::auth::Caller;
use crate::error::Result;
use crate::ids::{Timestamp, UserId};
use crate::limits::Class;
use crate::policy::Rules;
use crate::store::{Db, Locks};
use crate::wire::{Effect, MessageView};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

/// Whether an operation runs on a snapshot, or in the writer: everything
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
    pub events: Vec<Effect>,
}

impl<T> Outcome<T> {
    /// Nobody else hears of it.
    pub fn without_effects(output: T) -> Self {
        Self { output, events: Vec::new() }
    }
}

/// An operation that a principal of the type `P` may ask for: a [`Caller`], or [`Anonymous`] before a
/// login, or the [`System`] itself.
pub trait Op<P = Caller>: Send + 'static {
    type Output: Send + 'static;

    /// For the log.
    const NAME: &'static str;
    const ACCESS: Access;
    /// The rate limit that counts it.
    const CLASS: Class = match Self::ACCESS {
        Access::Read => Class::Unlimited,
        Access::Write => Class::Change,
    };
    /// What the operation shares a transaction and a queue with.
    const COST: Cost = Cost::Light;

    /// The cost where it depends on the operation's own fields: `Heavy` from 50 people named, say.
    fn cost(&self) -> Cost {
        Self::COST
    }

    /// Rate tokens of [`CLASS`](Self::CLASS) that one run takes from the caller, at least 1: the
    /// people and rows that the operation names. A charge beyond the burst of its class is always
    /// refused, so keep the largest allowed operation below it.
    fn charge(&self) -> u32 {
        1
    }

    /// What no other node changes between the beginning of [`run`](Self::run) and the commit, as far
    /// as it is known before it runs.
    fn locks(&self, _principal: &P) -> Locks {
        Locks::default()
    }

    /// Does the work. May run more than once before it is committed, so it changes nothing but the
    /// store.
    fn run(&self, principal: &P, cx: &mut Cx) -> Result<Outcome<Self::Output>>;

    /// Whether this may be a retry, so that [`replay`](Self::replay) is worth asking: an operation
    /// that carries an idempotency key, for example.
    fn replays(&self) -> bool {
        false
    }

    /// The answer of an earlier success, when this is a retry of it. Asked only when the operation
    /// was refused or failed and says that it [`replays`](Self::replays): a retry is answered before
    /// policy and rate have a say.
    fn replay(&self, _principal: &P, _cx: &mut Cx) -> Result<Option<Self::Output>> {
        Ok(None)
    }
}

/// What the dispatcher needs to know of an operation before it runs.
#[derive(Clone, Debug)]
pub struct OpTerms {
    pub name: &'static str,
    pub access: Access,
    pub class: Class,
    pub cost: Cost,
    pub charge: u32,
    pub replays: bool,
}

/// An operation whose type may be known at run time alone; every [`Op`] is one.
pub trait AnyOp<P = Caller>: Send + 'static {
    type Output: Send + 'static;

    fn terms(&self) -> OpTerms;
    fn locks(&self, principal: &P) -> Locks;
    fn run(&self, principal: &P, cx: &mut Cx) -> Result<Outcome<Self::Output>>;
    fn replay(&self, principal: &P, cx: &mut Cx) -> Result<Option<Self::Output>>;
}

impl<P, O: Op<P>> AnyOp<P> for O {
    type Output = O::Output;

    fn terms(&self) -> OpTerms {
        OpTerms {
            name: O::NAME,
            access: O::ACCESS,
            class: O::CLASS,
            cost: self.cost(),
            charge: self.charge(),
            replays: self.replays(),
        }
    }

    fn locks(&self, principal: &P) -> Locks {
        Op::locks(self, principal)
    }

    fn run(&self, principal: &P, cx: &mut Cx) -> Result<Outcome<Self::Output>> {
        Op::run(self, principal, cx)
    }

    fn replay(&self, principal: &P, cx: &mut Cx) -> Result<Option<Self::Output>> {
        Op::replay(self, principal, cx)
    }
}

/// A client before it has logged in.
#[derive(Clone, Copy, Debug)]
pub struct Anonymous;

/// The hub, on its own account.
#[derive(Clone, Copy, Debug)]
pub struct System;

/// On whose behalf an operation runs.
#[derive(Clone, Copy, Debug)]
pub enum Principal {
    User(Caller),
    System,
    Anonymous,
}

impl Principal {
    /// The user whose limits count.
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Principal::User(caller) => Some(caller.user_id),
            Principal::System | Principal::Anonymous => None,
        }
    }
}

/// For the log.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Principal::User(Caller { user_id, session_id: Some(session_id), .. }) => {
                write!(f, "user={user_id} session={session_id}")
            }
            Principal::User(Caller { user_id, .. }) => write!(f, "user={user_id}"),
            Principal::System => f.write_str("user=system"),
            Principal::Anonymous => f.write_str("user=none"),
        }
    }
}

impl From<Caller> for Principal {
    fn from(caller: Caller) -> Self {
        Principal::User(caller)
    }
}

impl From<Anonymous> for Principal {
    fn from(_: Anonymous) -> Self {
        Principal::Anonymous
    }
}

impl From<System> for Principal {
    fn from(_: System) -> Self {
        Principal::System
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
