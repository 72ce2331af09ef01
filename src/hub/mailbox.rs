//! What the hub's actor is given, and what it sends to sessions.

use super::outgoing::Delivery;
use super::presence::Transition;
use super::unread::UnreadChange;
use crate::clock::Clock;
use crate::ids::{LoginId, SessionId, UserId};
use crate::wire::{CloseCode, Effect};
use actix::{Message, Recipient};
use std::time::Duration;
use tokio::sync::mpsc;

/// Events to deliver in this order, and what to do after.
pub(super) struct Batch {
    pub events: Vec<Effect>,
    pub then: Vec<AfterDelivery>,
}

/// Something to do once a batch is delivered, such as answering its askers.
pub type AfterDelivery = Box<dyn FnOnce() + Send>;

/// What a session tells of itself when it attaches.
pub struct Attachment {
    pub session_id: SessionId,
    pub user_id: UserId,
    pub login_id: Option<LoginId>,
    pub to_session: Recipient<ToSession>,
}

#[derive(Clone, Debug)]
pub struct HubSettings {
    pub presence_grace: Duration,
    pub typing_timeout: Duration,
    pub clock: Clock,
}

/// What the hub says to a session: one item for each batch.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum ToSession {
    Deliver(Vec<Delivery>),
    Close(CloseCode),
}

/// The receiving end of the writer and the sending end of announcements.
pub(super) struct Inbox {
    pub batches: mpsc::Receiver<Batch>,
    pub transitions: mpsc::Sender<Transition>,
    pub unread: mpsc::Sender<UnreadChange>,
}
