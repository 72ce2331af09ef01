//! Messages to the hub's actor, and messages from it to sessions.

use super::outgoing::Delivery;
use super::presence::Transition;
use super::relay::Relay;
use super::unread::CountRequest;
use crate::clock::Clock;
use crate::ids::{LoginId, SessionId, UserId};
use crate::wire::{CloseCode, Effect};
use actix::{Message, Recipient};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Effects to deliver in this order, and actions to run afterwards.
pub(super) struct Batch {
    pub effects: Vec<Effect>,
    /// The number of the transaction that these effects belong to.
    pub commit: i64,
    pub then: Vec<AfterDelivery>,
}

/// An action to run once a batch is delivered, such as answering its callers.
pub type AfterDelivery = Box<dyn FnOnce() + Send>;

/// The facts that a session states when it attaches.
pub struct Attachment {
    pub session_id: SessionId,
    pub user_id: UserId,
    pub login_id: Option<LoginId>,
    pub to_session: Recipient<ToSession>,
}

/// The result of an attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    /// The session is new and has to be opened.
    New,
    /// The session is new and open.
    Opened,
    /// The session was attached already. Its login is changed, and it has to be opened again.
    Again,
}

#[derive(Clone, Debug)]
pub struct HubSettings {
    pub presence_grace: Duration,
    pub typing_timeout: Duration,
    pub clock: Clock,
    /// Passes what this node delivers to the other nodes.
    pub relay: Arc<dyn Relay>,
}

/// A message from the hub to a session: one for each batch.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum ToSession {
    Deliver(Vec<Delivery>),
    Close(CloseCode),
}

/// The receiving end for the writer, and the sending end for announcements.
pub(super) struct Inbox {
    pub batches: mpsc::Receiver<Batch>,
    pub transitions: mpsc::Sender<Transition>,
    pub to_count: mpsc::Sender<CountRequest>,
}
