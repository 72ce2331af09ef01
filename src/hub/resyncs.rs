//! Resyncs: the sessions that must still be notified that they may have missed something. Pure.
//!
//! Every notified client queries the store at once, so the notifications are spread over the ticks
//! of the hub. No session gets more than one in a round. An event during a round causes another
//! round.

use crate::ids::SessionId;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Minimum time between two notifications of one session.
const ROUND: Duration = Duration::from_secs(3);
/// Number of ticks over which one round is spread.
const TICKS: usize = 20;

#[derive(Default)]
pub struct Resyncs {
    waiting: VecDeque<SessionId>,
    /// Number of sessions notified with each tick.
    at_once: usize,
    /// None when no round is in progress.
    ends_at: Option<Instant>,
    /// Another event happened since the round began.
    is_due_again: bool,
}

impl Resyncs {
    /// Records that all of these sessions may have missed something.
    pub fn add(&mut self, all: impl FnOnce() -> Vec<SessionId>, now: Instant) {
        if self.ends_at.is_some() {
            self.is_due_again = true;
        } else {
            self.begin(all(), now);
        }
    }

    /// Returns the sessions to notify now; `all` returns all sessions.
    pub fn next(&mut self, all: impl FnOnce() -> Vec<SessionId>, now: Instant) -> Vec<SessionId> {
        if self.waiting.is_empty() && self.ends_at.is_some_and(|end| now >= end) {
            match std::mem::take(&mut self.is_due_again) {
                true => self.begin(all(), now),
                false => self.ends_at = None,
            }
        }
        self.waiting.drain(..self.at_once.min(self.waiting.len())).collect()
    }

    fn begin(&mut self, all: Vec<SessionId>, now: Instant) {
        self.at_once = all.len().div_ceil(TICKS);
        self.waiting = all.into();
        self.ends_at = Some(now + ROUND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU64;

    fn sessions(count: u64) -> Vec<SessionId> {
        (1..=count).map(|id| SessionId::new(NonZeroU64::new(id).unwrap())).collect()
    }

    #[test]
    fn one_resync_is_spread_over_the_sessions() {
        let (mut resyncs, now) = (Resyncs::default(), Instant::now());
        resyncs.add(|| sessions(100), now);
        let notified: Vec<_> = (0..TICKS).map(|_| resyncs.next(Vec::new, now)).collect();
        assert!(notified.iter().all(|some| some.len() == 5));
        assert_eq!(notified.concat(), sessions(100));
        assert!(resyncs.next(|| sessions(100), now + ROUND).is_empty(), "only once");
    }

    #[test]
    fn resyncs_added_during_a_round_cause_one_more_round() {
        let (mut resyncs, now) = (Resyncs::default(), Instant::now());
        resyncs.add(|| sessions(1), now);
        assert_eq!(resyncs.next(Vec::new, now), sessions(1));
        for _ in 0..3 {
            resyncs.add(|| sessions(2), now);
        }
        let before = now + ROUND - Duration::from_millis(1);
        assert!(resyncs.next(|| sessions(2), before).is_empty(), "not twice within a round");
        let after = now + ROUND;
        let notified = [resyncs.next(|| sessions(2), after), resyncs.next(|| sessions(2), after)].concat();
        assert_eq!(notified, sessions(2), "the sessions connected by then");
        assert!(resyncs.next(|| sessions(2), after + ROUND).is_empty());
        assert!(resyncs.next(|| sessions(2), after + 2 * ROUND).is_empty());
    }

    #[test]
    fn a_resync_after_the_round_starts_at_once() {
        let (mut resyncs, now) = (Resyncs::default(), Instant::now());
        for at in [now, now + ROUND, now + 3 * ROUND] {
            assert!(resyncs.next(Vec::new, at).is_empty());
            resyncs.add(|| sessions(1), at);
            assert_eq!(resyncs.next(Vec::new, at), sessions(1));
        }
    }
}
