//! How often one user may do what: token buckets, one for each user.
//!
//! The buckets are governor's (a maintained GCRA limiter); the time is its
//! clock's, which tests replace. State of users who have been quiet for the
//! length of a bucket is dropped by `sweep`.

use crate::error::{Error, Result};
use crate::ids::UserId;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;

/// What an operation counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A private message: `MESSAGE_RATE`, `MESSAGE_BURST`.
    Message,
    /// Bounded by the rate of frames and requests alone.
    Unlimited,
}

/// A sustained rate a second and how many at once.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

impl Rate {
    pub fn quota(self) -> Quota {
        Quota::per_second(self.per_second).allow_burst(self.burst)
    }
}

type Buckets<C> = RateLimiter<UserId, DashMapStateStore<UserId>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The buckets of this node.
pub struct Limits<C: Clock = DefaultClock> {
    messages: Buckets<C>,
    clock: C,
}

impl Limits {
    pub fn new(messages: Rate) -> Self {
        Self::with_clock(messages, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    pub fn with_clock(messages: Rate, clock: C) -> Self {
        let messages = RateLimiter::new(messages.quota(), DashMapStateStore::default(), clock.clone());
        Self { messages, clock }
    }

    /// Takes one token of this class from the user.
    ///
    /// # Errors
    /// `RateLimited` with the time until there is one.
    pub fn take(&self, class: Class, user_id: UserId) -> Result<()> {
        match class {
            Class::Unlimited => Ok(()),
            Class::Message => self
                .messages
                .check_key(&user_id)
                .map_err(|wait| Error::RateLimited { retry_in: wait.wait_time_from(self.clock.now()) }),
        }
    }

    /// Drops the buckets that are full again.
    pub fn sweep(&self) {
        self.messages.retain_recent();
        self.messages.shrink_to_fit();
    }

    /// Users with a bucket that is not known to be full.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::time::Duration;

    fn limits() -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let rate = Rate { per_second: NonZeroU32::new(10).unwrap(), burst: NonZeroU32::new(20).unwrap() };
        (Limits::with_clock(rate, clock.clone()), clock)
    }

    #[test]
    fn a_burst_passes_the_next_waits_and_other_users_are_untouched() {
        let (limits, clock) = limits();
        let (ann, bob) = (UserId::new(1), UserId::new(2));
        for _ in 0..20 {
            limits.take(Class::Message, ann).unwrap();
        }
        let refused = limits.take(Class::Message, ann).unwrap_err();
        assert_eq!(refused.retry_in(), Some(Duration::from_millis(100)));
        limits.take(Class::Message, bob).unwrap();
        limits.take(Class::Unlimited, ann).unwrap();
        clock.advance(Duration::from_millis(100));
        limits.take(Class::Message, ann).unwrap();
        assert!(limits.take(Class::Message, ann).is_err());
    }

    #[test]
    fn users_who_went_quiet_cost_nothing_after_a_sweep() {
        let (limits, clock) = limits();
        for id in 1..=1000 {
            limits.take(Class::Message, UserId::new(id)).unwrap();
        }
        clock.advance(Duration::from_secs(10));
        limits.sweep();
        assert!(limits.is_empty());
    }
}
