//! The handle that everybody else has.

use super::actor::{
    Attach, CloseAll, CountSessions, Detach, GetStats, HubActor, ListHolders, Opened, Recount, Settle, Suspend,
};
use super::mailbox::{AfterDelivery, Attachment, Batch, HubSettings, Inbox};
use super::presence::Transition;
use super::registry::{Holder, Stats};
use super::unread::UnreadChange;
use crate::error::{Error, Result};
use crate::ids::{SessionId, UserId};
use crate::wire::{CloseCode, Effect};
use actix::Addr;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::mpsc;

/// Batches that may wait for the hub. The writer waits when they are
/// this many, so that a slow hub slows writes down instead of growing.
const BATCHES: usize = 64;
/// Online and offline transitions that may wait to be announced; the rest
/// stay, merged, in the hub.
const TRANSITIONS: usize = 256;
/// Unread counts that may wait to be worked out; likewise.
const UNREAD_CHANGES: usize = 256;

/// Sessions that are listed at once: everybody waits for the hub meanwhile.
const HOLDERS: usize = 100;

/// The handle: cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Hub {
    actor: Arc<OnceLock<Addr<HubActor>>>,
    pub(super) batches: mpsc::Sender<Batch>,
}

/// The hub before it runs.
pub struct HubStarter {
    hub: Hub,
    inbox: Mutex<Option<Inbox>>,
    settings: HubSettings,
}

/// What the hub cannot tell by itself: somebody else asks the store who may
/// know it, or what it is, and delivers.
pub struct Announcements {
    pub transitions: mpsc::Receiver<Transition>,
    pub unread: mpsc::Receiver<UnreadChange>,
}

impl Hub {
    /// The handle, the starter to start it from, and what somebody must announce.
    pub fn new(settings: HubSettings) -> (Hub, HubStarter, Announcements) {
        let (batches, inbox) = mpsc::channel(BATCHES);
        let (transitions, to_announce) = mpsc::channel(TRANSITIONS);
        let (unread, to_count) = mpsc::channel(UNREAD_CHANGES);
        let hub = Hub { actor: Arc::default(), batches };
        let inbox = Mutex::new(Some(Inbox { batches: inbox, transitions, unread }));
        (hub.clone(), HubStarter { hub, inbox, settings }, Announcements { transitions: to_announce, unread: to_count })
    }

    fn actor(&self) -> Result<&Addr<HubActor>> {
        self.actor.get().ok_or(Error::Unavailable("the hub is starting"))
    }

    /// From now on the session gets what is delivered, once it is `opened`: until then the hub keeps
    /// its frames. True unless it was attached already, and only changes its login.
    ///
    /// # Errors
    /// `Unavailable` when the hub is going down.
    pub async fn attach(&self, attachment: Attachment) -> Result<bool> {
        self.actor()?.send(Attach(attachment)).await.map_err(gone)?
    }

    /// Safe to call again, and for a session that never attached.
    #[expect(clippy::disallowed_methods, reason = "one for each session at most, so the sessions bound the queue")]
    pub fn detach(&self, session_id: SessionId) {
        if let Ok(actor) = self.actor() {
            actor.do_send(Detach(session_id));
        }
    }

    /// Delivers in this order, after everything given before. Waits while the
    /// hub is behind.
    pub async fn deliver(&self, events: Vec<Effect>) {
        if !events.is_empty() {
            // Fails only when the hub has ended, and nobody is left to hear.
            let _ = self.batches.send(Batch { events, then: Vec::new() }).await;
        }
    }

    /// `deliver` for a thread outside the async runtime; does what comes
    /// `then` on the hub's own thread.
    pub fn deliver_blocking(&self, events: Vec<Effect>, then: Vec<AfterDelivery>) {
        let _ = self.batches.blocking_send(Batch { events, then });
    }

    /// The session takes nothing for a while: the hub keeps its frames until it is `opened` again.
    /// Safe to call for a session that is not attached.
    pub async fn suspend(&self, session_id: SessionId) -> Result<()> {
        self.actor()?.send(Suspend(session_id)).await.map_err(gone)
    }

    /// The session takes frames from now on. It is sent what was kept for it, then who of the
    /// `visible` people is online, and a `resync` if there was more than could be kept. All of it
    /// through the hub, so that no later transition overtakes it.
    pub async fn opened(&self, session_id: SessionId, visible: Option<Vec<UserId>>) -> Result<()> {
        self.actor()?.send(Opened { session_id, visible }).await.map_err(gone)
    }

    /// An announcement is over. One that reached nobody is due again with the next tick.
    pub async fn settle(&self, transition: Transition, is_told: bool) -> Result<()> {
        self.actor()?.send(Settle { transition, is_told }).await.map_err(gone)
    }

    /// The counts of a user could not be told: they will be due again.
    pub async fn recount(&self, change: UnreadChange) -> Result<()> {
        self.actor()?.send(Recount(change)).await.map_err(gone)
    }

    /// Whoever has open sessions here, a portion at a time: those after this one,
    /// and none when there are no more. What comes and goes between two portions
    /// is in one or in none.
    pub async fn holders(&self, after: Option<Holder>) -> Result<Vec<Holder>> {
        self.actor()?.send(ListHolders { after, most: HOLDERS }).await.map_err(gone)
    }

    /// How many open sessions the user has here.
    pub async fn count_sessions(&self, user_id: UserId) -> Result<usize> {
        self.actor()?.send(CountSessions(user_id)).await.map_err(gone)
    }

    pub async fn stats(&self) -> Result<Stats> {
        self.actor()?.send(GetStats).await.map_err(gone)
    }

    /// False once the actor has ended, which it never should.
    pub fn is_running(&self) -> bool {
        self.actor.get().is_none_or(Addr::connected)
    }

    /// Closes every session, for a restart, and takes no more. Returns the users who were online,
    /// also those who went so lately that nobody wrote it down.
    pub async fn close_all(&self, code: CloseCode) -> Result<Vec<UserId>> {
        self.actor()?.send(CloseAll(code)).await.map_err(gone)
    }
}

fn gone(_: actix::MailboxError) -> Error {
    Error::Unavailable("the hub has ended")
}

impl HubStarter {
    /// Starts the actor on the calling thread, which must run an actix
    /// system; only the first call does.
    pub fn start(&self) {
        let inbox = self.inbox.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(inbox) = inbox {
            let addr = HubActor::start_with(inbox, self.settings.clone());
            // Nobody else sets it: the inbox is taken once.
            let _ = self.hub.actor.set(addr);
        }
    }
}
