//! Tells users their unread counts, one user after another.

use super::driver::{Job, Next};
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::hub::{Hub, UnreadChange};
use crate::ops::op::System;
use crate::ops::receipts::announce_unread::AnnounceUnread;
use tokio::sync::mpsc;

pub struct AnnounceUnreadJob {
    pub changes: mpsc::Receiver<UnreadChange>,
    pub dispatcher: Dispatcher,
    pub hub: Hub,
}

impl Job for AnnounceUnreadJob {
    const NAME: &'static str = "announce_unread";

    async fn run(&mut self) -> Result<Next> {
        let Some(change) = self.changes.recv().await else { return Ok(Next::Ended) };
        let UnreadChange { user_id, changed } = change.clone();
        let outcome = self.dispatcher.call(System, AnnounceUnread { user_id, changed }).await;
        // The hub brings up again what could not be sent.
        if outcome.is_err() && self.hub.recount(change).await.is_err() {
            return Ok(Next::Ended);
        }
        outcome.map(|_| Next::Now)
    }
}
