//! Tells those who may know that users came or went, up to a hundred changes at once.

use super::driver::{Job, Next};
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::hub::{Hub, Transition};
use crate::ops::op::System;
use crate::ops::presence::announce_presence::{AnnouncePresence, Announced};
use tokio::sync::mpsc;

/// Maximum number of changes that are announced in one transaction.
const AT_ONCE: usize = 100;

pub struct AnnouncePresenceJob {
    pub transitions: mpsc::Receiver<Transition>,
    pub dispatcher: Dispatcher,
    pub hub: Hub,
}

impl AnnouncePresenceJob {
    async fn announce(&self, transitions: &[Transition]) -> Result<Announced> {
        let changes = transitions.iter().map(|change| (change.user_id, change.is_online)).collect();
        self.dispatcher.call(System, AnnouncePresence { changes }).await
    }
}

impl Job for AnnouncePresenceJob {
    const NAME: &'static str = "announce_presence";

    async fn run(&mut self) -> Result<Next> {
        let mut transitions = Vec::new();
        if self.transitions.recv_many(&mut transitions, AT_ONCE).await == 0 {
            return Ok(Next::Ended);
        }
        // The hub brings up again what could not be announced.
        let (alone, settled, outcome) = match self.announce(&transitions).await {
            Ok(Announced { left }) => {
                let (left, rest) = transitions.into_iter().partition(|change| left.contains(&change.user_id));
                (left, rest, Ok(Next::Now))
            }
            // One of them may be the cause, and must not keep back the others.
            Err(error) if transitions.len() > 1 && !error.code().meaning().is_temporary => {
                (transitions, Vec::new(), Ok(Next::Now))
            }
            Err(error) => (Vec::new(), transitions, Err(error)),
        };
        if self.hub.settle(settled, outcome.is_ok()).await.is_err() {
            return Ok(Next::Ended);
        }
        let mut outcome = outcome;
        for transition in alone {
            let announced = self.announce(&[transition]).await;
            if self.hub.settle(vec![transition], announced.is_ok()).await.is_err() {
                return Ok(Next::Ended);
            }
            outcome = announced.and(outcome);
        }
        outcome
    }
}
