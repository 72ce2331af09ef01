//! The phase of a hub's life, from its start to its end.

use tokio::sync::watch;
use tokio::time::Instant;

/// A hub runs, drains and stops, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Running,
    /// The hub takes no new work and finishes what it began, until this time at most.
    Draining {
        until: Instant,
    },
    Stopped,
}

/// Shows the current phase. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PhaseWatch(watch::Receiver<Phase>);

impl PhaseWatch {
    pub fn current(&self) -> Phase {
        *self.0.borrow()
    }
}

/// Sets the phase.
#[derive(Debug)]
pub struct PhaseSetter(watch::Sender<Phase>);

impl PhaseSetter {
    /// Creates a setter in the phase `Running`, and its watch.
    pub fn new() -> (Self, PhaseWatch) {
        let (sender, receiver) = watch::channel(Phase::Running);
        (Self(sender), PhaseWatch(receiver))
    }

    pub fn set(&self, phase: Phase) {
        self.0.send_replace(phase);
    }
}
