//! Ends the sessions of users who were revoked where this hub did not hear of it: by another node,
//! by a command, or in the database. The cost depends on how many are revoked, not on how many are
//! connected.

use super::driver::{Job, Next};
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::ops::logins::end_revoked::{DeleteRevocations, EndRevoked, ListRevocations, MAX_LISTED};
use crate::ops::op::System;
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long a revocation with a lower id than a known one may become visible: longer than any
/// transaction takes.
const WINDOW: Duration = Duration::from_secs(60);
/// How long rows are kept, so that every other node reads them in time.
const KEPT_FOR: Duration = Duration::from_secs(10 * 60);

pub struct EndRevokedJob {
    dispatcher: Dispatcher,
    log: Log,
}

impl EndRevokedJob {
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher, log: Log::default() }
    }
}

impl Job for EndRevokedJob {
    const NAME: &'static str = "end_revoked";

    async fn run(&mut self) -> Result<Next> {
        let now = Instant::now();
        if let Some(upto) = self.log.advance(now) {
            self.dispatcher.call(System, DeleteRevocations { upto }).await?;
        }
        let mut after = self.log.horizon;
        loop {
            let listed = self.dispatcher.call(System, ListRevocations { after }).await?;
            let new: Vec<_> = listed.iter().filter(|revoked| !self.log.is_known(revoked.id)).collect();
            if !new.is_empty() {
                let mut owners: Vec<_> = new.iter().map(|revoked| (revoked.user_id, revoked.login_id)).collect();
                owners.sort_unstable();
                self.dispatcher.call(System, EndRevoked { owners }).await?;
            }
            self.log.add(new.into_iter().map(|revoked| revoked.id), now);
            match listed.last() {
                Some(last) if listed.len() as i64 == MAX_LISTED => after = last.id,
                _ => return Ok(Next::In(POLL_INTERVAL)),
            }
        }
    }
}

/// The revocations that this node has handled.
#[derive(Debug, Default)]
struct Log {
    /// Every id up to this one is handled.
    horizon: i64,
    /// The handled ids above the horizon.
    known: BTreeSet<i64>,
    /// The known ids by the time at which they were handled.
    handled: VecDeque<(Instant, i64)>,
    /// Ids below the horizon, by the time at which they were handled.
    old: VecDeque<(Instant, i64)>,
}

impl Log {
    fn is_known(&self, id: i64) -> bool {
        self.known.contains(&id)
    }

    fn add(&mut self, ids: impl Iterator<Item = i64>, now: Instant) {
        for id in ids {
            self.known.insert(id);
            self.handled.push_back((now, id));
        }
    }

    /// Moves the horizon. Returns the id up to which rows are old enough to be deleted, if it is
    /// higher than before.
    fn advance(&mut self, now: Instant) -> Option<i64> {
        while let Some((at, id)) = self.handled.front().copied()
            && now >= at + WINDOW
        {
            self.handled.pop_front();
            if id > self.horizon {
                self.horizon = id;
                self.old.push_back((at, id));
            }
        }
        self.known = self.known.split_off(&(self.horizon + 1));
        let mut upto = None;
        while let Some((at, id)) = self.old.front().copied()
            && now >= at + KEPT_FOR
        {
            self.old.pop_front();
            upto = Some(id);
        }
        upto
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_is_known_for_as_long_as_it_is_listed() {
        let (mut log, start) = (Log::default(), Instant::now());
        log.add([3, 7].into_iter(), start);
        assert!(log.is_known(3) && log.is_known(7) && !log.is_known(5));
        // A transaction with a lower id commits later.
        log.add([5].into_iter(), start + WINDOW / 2);
        assert_eq!((log.advance(start + WINDOW - Duration::from_millis(1)), log.horizon), (None, 0));
        assert_eq!((log.advance(start + WINDOW), log.horizon), (None, 7));
        assert!(log.known.is_empty(), "the horizon covers them");
        log.add([9].into_iter(), start + WINDOW);
        log.advance(start + WINDOW * 2);
        assert_eq!((log.horizon, log.handled.len()), (9, 0));
    }

    #[test]
    fn rows_are_deleted_when_every_node_has_read_them() {
        let (mut log, start) = (Log::default(), Instant::now());
        log.add([3, 7].into_iter(), start);
        log.add([9].into_iter(), start + WINDOW);
        assert_eq!(log.advance(start + KEPT_FOR - Duration::from_millis(1)), None);
        assert_eq!(log.advance(start + KEPT_FOR), Some(7));
        assert_eq!(log.advance(start + KEPT_FOR), None, "once");
        assert_eq!(log.advance(start + KEPT_FOR + WINDOW), Some(9));
    }
}
