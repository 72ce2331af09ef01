//! Defines an operation: its access and cost, its input and its outcome.

pub use crate::store::Cost;

use crate::auth::Caller;
use crate::error::Result;
use crate::ids::{Timestamp, UserId};
use crate::limits::Class;
use crate::policy::Rules;
use crate::store::{Db, Locks};
use crate::wire::{Effect, Encoded, MessageView, OwnConversationView};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

/// Whether an operation runs on a snapshot or in the writer. The writer runs every operation that
/// changes data or notifies other users, in one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// The environment of an operation: a transaction, a time and the rules of the hub.
pub struct Cx<'a> {
    pub db: &'a mut Db,
    pub now: Timestamp,
    pub rules: &'a Rules,
    /// The name of this history.
    pub epoch: &'a str,
}

/// The outcome of an operation. The effects are delivered in this order once the transaction is
/// committed. Without a commit they are dropped.
#[derive(Debug)]
pub struct Outcome<T> {
    pub output: T,
    pub effects: Vec<Effect>,
}

impl<T> Outcome<T> {
    /// An outcome that notifies no other user.
    pub fn without_effects(output: T) -> Self {
        Self { output, effects: Vec::new() }
    }
}

/// An operation that a principal of the type `P` may run: a [`Caller`], [`Anonymous`] before a
/// login, or the [`System`] itself.
pub trait Op<P = Caller>: Send + 'static {
    type Output: Send + 'static;

    /// The name of the operation in the log.
    const NAME: &'static str;
    const ACCESS: Access;
    /// The rate limit that counts it.
    const CLASS: Class = match Self::ACCESS {
        Access::Read => Class::Unlimited,
        Access::Write => Class::Change,
    };
    /// The cost of the operation. It decides the transaction and the queue.
    const COST: Cost = Cost::Light;

    /// The cost where it depends on the operation's fields. An example is `Heavy` for 50 or more
    /// named people.
    fn cost(&self) -> Cost {
        Self::COST
    }

    /// Rate tokens of [`CLASS`](Self::CLASS) that one run takes from the caller, at least 1: the
    /// people and rows that the operation names. A number beyond the burst of its class is always
    /// refused, so keep the largest allowed operation below it.
    fn rate_tokens(&self) -> u32 {
        1
    }

    /// The rows that no other node changes between the beginning of [`run`](Self::run) and the
    /// commit, as far as they are known before the run.
    fn locks(&self, _principal: &P) -> Locks {
        Locks::default()
    }

    /// Does the work. It may run more than once before the commit, so it changes nothing but the
    /// store.
    fn run(&self, principal: &P, cx: &mut Cx) -> Result<Outcome<Self::Output>>;

    /// Whether this may be a retry, so that [`replay`](Self::replay) is worth a call: an operation
    /// with an idempotency key, for example.
    fn replays(&self) -> bool {
        false
    }

    /// Returns the answer of an earlier success, when this is a retry of it. Called only when the
    /// operation was refused or failed and says that it [`replays`](Self::replays). The answer
    /// takes precedence over the policy and the rate limits.
    fn replay(&self, _principal: &P, _cx: &mut Cx) -> Result<Option<Self::Output>> {
        Ok(None)
    }
}

/// The terms of an operation, which the dispatcher reads before the run.
#[derive(Clone, Debug)]
pub struct OpTerms {
    pub name: &'static str,
    pub access: Access,
    pub class: Class,
    pub cost: Cost,
    pub rate_tokens: u32,
    pub replays: bool,
}

/// An operation whose type is known only at run time. Every [`Op`] is one.
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
            rate_tokens: self.rate_tokens(),
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

/// A client before its login.
#[derive(Clone, Copy, Debug)]
pub struct Anonymous;

/// The hub itself.
#[derive(Clone, Copy, Debug)]
pub struct System;

/// The principal of an operation.
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

/// Formats the principal for the log.
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

/// The empty reply of an operation that has succeeded.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Done {}

/// The reply of an operation about one message.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct MessageReply {
    pub message: Encoded<MessageView>,
}

/// The reply of an operation about one conversation.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ConversationReply {
    pub conversation: OwnConversationView,
}
