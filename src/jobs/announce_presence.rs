//! Tells those who may know that somebody came or went, one change after another.

use super::driver::{Job, Next};
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::hub::{Hub, Transition};
use crate::ops::op::System;
use crate::ops::presence::announce_presence::AnnouncePresence;
use tokio::sync::mpsc;

pub struct AnnouncePresenceJob {
    pub transitions: mpsc::Receiver<Transition>,
    pub dispatcher: Dispatcher,
    pub hub: Hub,
}

impl Job for AnnouncePresenceJob {
    const NAME: &'static str = "announce_presence";

    async fn run(&mut self) -> Result<Next> {
        let Some(transition) = self.transitions.recv().await else { return Ok(Next::Ended) };
        let Transition { user_id, is_online } = transition;
        let outcome = self.dispatcher.call(System, AnnouncePresence { user_id, is_online }).await;
        // The hub brings up again what could not be announced.
        if self.hub.settle(transition, outcome.is_ok()).await.is_err() {
            return Ok(Next::Ended);
        }
        outcome.map(|_| Next::Now)
    }
}
