//! The hub handle, which all other parts use.

use super::actor::{
    Attach, CloseAll, CountSessions, Detach, GetStats, HubActor, ListSessionOwners, Opened, SetCounts, Settle, Suspend,
};
use super::mailbox::{AfterDelivery, Attached, Attachment, Batch, HubSettings, Inbox};
use super::presence::Transition;
use super::registry::{SessionOwner, Stats};
use super::relay::Relay;
use super::unread::{CountRequest, Counted};
use crate::error::{Error, Result};
use crate::ids::{SessionId, UserId};
use crate::wire::{CloseCode, Effect};
use actix::Addr;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::mpsc;

/// Maximum number of batches that wait for the hub. The writer then waits, so that a slow hub slows
/// writes down and the queue does not grow.
const BATCHES: usize = 64;
/// Maximum number of online and offline transitions that wait to be announced. Further ones stay in
/// the hub, merged.
const TRANSITIONS: usize = 256;
/// Maximum number of users whose unread messages wait to be counted. Further ones wait in the hub.
const COUNT_REQUESTS: usize = 256;

/// Maximum number of session owners listed at once; other callers wait for the hub meanwhile.
const SESSION_OWNERS: usize = 100;

/// The hub handle: cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Hub {
    actor: Arc<OnceLock<Addr<HubActor>>>,
    pub(super) batches: mpsc::Sender<Batch>,
    relay: Arc<dyn Relay>,
}

/// The hub before it runs.
pub struct HubStarter {
    hub: Hub,
    inbox: Mutex<Option<Inbox>>,
    settings: HubSettings,
}

/// Work of the hub that needs the store. A job reads the audience of a transition and delivers the
/// frames. Another job counts unread messages.
pub struct Announcements {
    pub transitions: mpsc::Receiver<Transition>,
    pub count_requests: mpsc::Receiver<CountRequest>,
}

impl Hub {
    /// Creates the handle, the starter that runs the hub, and the changes that a job must announce.
    pub fn new(settings: HubSettings) -> (Hub, HubStarter, Announcements) {
        let (batches, inbox) = mpsc::channel(BATCHES);
        let (transitions, to_announce) = mpsc::channel(TRANSITIONS);
        let (to_count, count_requests) = mpsc::channel(COUNT_REQUESTS);
        let hub = Hub { actor: Arc::default(), batches, relay: Arc::clone(&settings.relay) };
        let inbox = Mutex::new(Some(Inbox { batches: inbox, transitions, to_count }));
        let announcements = Announcements { transitions: to_announce, count_requests };
        (hub.clone(), HubStarter { hub, inbox, settings }, announcements)
    }

    fn actor(&self) -> Result<&Addr<HubActor>> {
        self.actor.get().ok_or(Error::Unavailable("the hub is starting"))
    }

    /// Attaches a session. It gets what is delivered from now on, once it is `opened`; until then
    /// the hub keeps its frames.
    ///
    /// `seen` is the number of the last transaction that the caller has seen, and the users whose
    /// presence the session may see then. If the hub has delivered no later transaction, the
    /// session is opened at once.
    ///
    /// # Errors
    /// `Unavailable` when the hub is shutting down.
    pub async fn attach(&self, attachment: Attachment, seen: Option<(i64, Vec<UserId>)>) -> Result<Attached> {
        self.actor()?.send(Attach { attachment, seen }).await.map_err(gone)?
    }

    /// Detaches a session. Safe to call again, and for a session that never attached.
    #[expect(clippy::disallowed_methods, reason = "one for each session at most, so the sessions bound the queue")]
    pub fn detach(&self, session_id: SessionId) {
        if let Ok(actor) = self.actor() {
            actor.do_send(Detach(session_id));
        }
    }

    /// Delivers the effects of a read in this order, after everything given before. Waits while the
    /// hub is behind.
    pub async fn deliver(&self, effects: Vec<Effect>) {
        if !effects.is_empty() {
            self.relay.tell(&effects);
            // Fails only when the hub has ended, and then no session is left to receive them.
            let _ = self.batches.send(Batch { effects, commit: 0, then: Vec::new() }).await;
        }
    }

    /// Delivers the effects of the transaction with this number like `deliver`, from a thread
    /// outside the async runtime. Runs the `then` actions on the hub's own thread afterwards.
    pub fn deliver_blocking(&self, effects: Vec<Effect>, commit: i64, then: Vec<AfterDelivery>) {
        if !effects.is_empty() {
            self.relay.tell(&effects);
        }
        let _ = self.batches.blocking_send(Batch { effects, commit, then });
    }

    /// Suspends a session: the hub keeps its frames until it is `opened` again. Safe to call for a
    /// session that is not attached.
    pub async fn suspend(&self, session_id: SessionId) -> Result<()> {
        self.actor()?.send(Suspend(session_id)).await.map_err(gone)
    }

    /// Opens a session, which takes frames from now on. The hub sends it the kept frames, then the
    /// online users among `visible`. It adds a `resync` if it could not keep all frames. All of
    /// this passes through the hub, so that no later transition overtakes it.
    pub async fn opened(&self, session_id: SessionId, visible: Option<Vec<UserId>>) -> Result<()> {
        self.actor()?.send(Opened { session_id, visible }).await.map_err(gone)
    }

    /// Ends the announcement of these transitions. Those that reached no user are due again with
    /// the next tick.
    pub async fn settle(&self, transitions: Vec<Transition>, is_delivered: bool) -> Result<()> {
        self.actor()?.send(Settle { transitions, is_delivered }).await.map_err(gone)
    }

    /// Answers a request to count unread messages. Without an answer it is due again.
    pub async fn set_counts(&self, request: CountRequest, counted: Option<Counted>) -> Result<()> {
        self.actor()?.send(SetCounts { request, counted }).await.map_err(gone)
    }

    /// Lists the owners of open sessions on this node, one page at a time: those after `after`, and
    /// none at the end. A session that opens or closes between two pages may be missing.
    pub async fn session_owners(&self, after: Option<SessionOwner>) -> Result<Vec<SessionOwner>> {
        self.actor()?.send(ListSessionOwners { after, most: SESSION_OWNERS }).await.map_err(gone)
    }

    /// Returns the number of open sessions of the user on this node.
    pub async fn count_sessions(&self, user_id: UserId) -> Result<usize> {
        self.actor()?.send(CountSessions(user_id)).await.map_err(gone)
    }

    pub async fn stats(&self) -> Result<Stats> {
        self.actor()?.send(GetStats).await.map_err(gone)
    }

    /// Returns whether the actor runs. It is false only after the actor has ended, which should
    /// never happen.
    pub fn is_running(&self) -> bool {
        self.actor.get().is_none_or(Addr::connected)
    }

    /// Closes every session for a restart, and accepts no more. Returns the users who were online,
    /// including those whose recent absence is not stored yet.
    pub async fn close_all(&self, code: CloseCode) -> Result<Vec<UserId>> {
        self.actor()?.send(CloseAll(code)).await.map_err(gone)
    }
}

fn gone(_: actix::MailboxError) -> Error {
    Error::Unavailable("the hub has stopped")
}

impl HubStarter {
    /// Starts the actor on the calling thread, which must run an actix system. Only the first call
    /// has an effect.
    pub fn start(&self) {
        let inbox = self.inbox.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(inbox) = inbox {
            let addr = HubActor::start_with(inbox, self.settings.clone());
            // The cell is still empty, because the inbox is taken only once.
            let _ = self.hub.actor.set(addr);
        }
    }
}
