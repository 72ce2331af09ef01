//! Tells those who may know that users came or went, up to a hundred changes at once.

use super::driver::{Job, Next};
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::hub::{Hub, Transition};
use crate::ops::op::System;
use crate::ops::presence::announce_presence::AnnouncePresence;
use tokio::sync::mpsc;

/// Maximum number of changes that are announced in one transaction.
const AT_ONCE: usize = 100;

pub struct AnnouncePresenceJob {
    pub transitions: mpsc::Receiver<Transition>,
    pub dispatcher: Dispatcher,
    pub hub: Hub,
}

impl AnnouncePresenceJob {
    /// Announces the changes of up to `AT_ONCE` users, each once. Returns those whose viewers are
    /// too many for a common transaction.
    async fn announce(&self, transitions: &[Transition]) -> Result<Vec<Transition>> {
        let changes = transitions.iter().map(|change| (change.user_id, change.is_online)).collect();
        let outcome = self.dispatcher.call(System, AnnouncePresence { changes }).await;
        let left = outcome.as_ref().map_or(&[][..], |announced| &announced.left);
        let (left, settled): (Vec<Transition>, _) =
            transitions.iter().partition(|change| left.contains(&change.user_id));
        // The hub brings up again what could not be announced.
        self.hub.settle(settled, outcome.is_ok()).await?;
        outcome.map(|_| left)
    }
}

impl Job for AnnouncePresenceJob {
    const NAME: &'static str = "announce_presence";

    async fn run(&mut self) -> Result<Next> {
        let mut transitions = Vec::new();
        if self.transitions.recv_many(&mut transitions, AT_ONCE).await == 0 {
            return Ok(Next::Ended);
        }
        for transition in self.announce(&transitions).await? {
            self.announce(&[transition]).await?;
        }
        Ok(Next::Now)
    }
}
