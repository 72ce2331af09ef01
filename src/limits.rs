//! How often one user may do what: token buckets, one for each user and class.
//!
//! The buckets are governor's (a maintained GCRA limiter); the time is its
//! clock's, which tests replace. State of users who have been quiet for the
//! length of a bucket is dropped by `sweep`.

use crate::error::{Error, Result};
use crate::ids::UserId;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{InsufficientCapacity, Quota, RateLimiter};
use std::num::NonZeroU32;

/// What an operation counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A private message: `MESSAGE_RATE`, `MESSAGE_BURST`.
    Message,
    /// Where somebody is: they type, look, have read.
    Mark,
    /// Any other change.
    Change,
    /// Bounded by the rate of frames and requests alone.
    Unlimited,
}

/// Marks and changes are many times as frequent as messages.
const MARKS_PER_MESSAGE: NonZeroU32 = NonZeroU32::new(10).unwrap();
const CHANGES_PER_MESSAGE: NonZeroU32 = NonZeroU32::new(5).unwrap();

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

    fn times(self, factor: NonZeroU32) -> Self {
        Self { per_second: self.per_second.saturating_mul(factor), burst: self.burst.saturating_mul(factor) }
    }
}

type Buckets<C> = RateLimiter<UserId, DashMapStateStore<UserId>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The buckets of this node.
pub struct Limits<C: Clock = DefaultClock> {
    messages: Buckets<C>,
    marks: Buckets<C>,
    changes: Buckets<C>,
    clock: C,
}

impl Limits {
    /// By the rate of messages; the others follow from it.
    pub fn new(messages: Rate) -> Self {
        Self::with_clock(messages, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    pub fn with_clock(messages: Rate, clock: C) -> Self {
        let buckets = |rate: Rate| RateLimiter::new(rate.quota(), DashMapStateStore::default(), clock.clone());
        Self {
            messages: buckets(messages),
            marks: buckets(messages.times(MARKS_PER_MESSAGE)),
            changes: buckets(messages.times(CHANGES_PER_MESSAGE)),
            clock,
        }
    }

    /// Takes this many tokens of the class from the user, at least one; all
    /// of them or none.
    ///
    /// # Errors
    /// `RateLimited` with the time until there are enough; `TooLarge` for more
    /// than the burst of the class, which there never are.
    pub fn take(&self, class: Class, user_id: UserId, charge: u32) -> Result<()> {
        let buckets = match class {
            Class::Unlimited => return Ok(()),
            Class::Message => &self.messages,
            Class::Mark => &self.marks,
            Class::Change => &self.changes,
        };
        let charge = NonZeroU32::new(charge).unwrap_or(NonZeroU32::MIN);
        match buckets.check_key_n(&user_id, charge) {
            Ok(taken) => taken.map_err(|wait| Error::RateLimited { retry_in: wait.wait_time_from(self.clock.now()) }),
            Err(InsufficientCapacity(burst)) => Err(Error::TooLarge(
                format!("this counts as {charge} changes, and {burst} are allowed at once: split it").into(),
            )),
        }
    }

    /// Drops the buckets that are full again.
    pub fn sweep(&self) {
        for buckets in self.all() {
            buckets.retain_recent();
            buckets.shrink_to_fit();
        }
    }

    /// Buckets that are not known to be full.
    pub fn len(&self) -> usize {
        self.all().iter().map(|buckets| buckets.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn all(&self) -> [&Buckets<C>; 3] {
        [&self.messages, &self.marks, &self.changes]
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
            limits.take(Class::Message, ann, 1).unwrap();
        }
        let refused = limits.take(Class::Message, ann, 1).unwrap_err();
        assert_eq!(refused.retry_in(), Some(Duration::from_millis(100)));
        limits.take(Class::Message, bob, 1).unwrap();
        limits.take(Class::Unlimited, ann, 1).unwrap();
        clock.advance(Duration::from_millis(100));
        limits.take(Class::Message, ann, 1).unwrap();
        assert!(limits.take(Class::Message, ann, 1).is_err());
    }

    #[test]
    fn each_class_has_a_bucket_of_its_own_in_proportion_to_messages() {
        let (limits, clock) = limits();
        let ann = UserId::new(1);
        for (class, burst, wait) in [(Class::Message, 20, 100), (Class::Mark, 200, 10), (Class::Change, 100, 20)] {
            for _ in 0..burst {
                limits.take(class, ann, 1).unwrap();
            }
            let refused = limits.take(class, ann, 1).unwrap_err();
            assert_eq!(refused.retry_in(), Some(Duration::from_millis(wait)), "{class:?}");
        }
        clock.advance(Duration::from_millis(10));
        limits.take(Class::Mark, ann, 1).unwrap();
        assert!(limits.take(Class::Change, ann, 1).is_err());
    }

    #[test]
    fn a_charge_takes_that_many_tokens_or_none() {
        let (limits, clock) = limits();
        let ann = UserId::new(1);
        limits.take(Class::Message, ann, 15).unwrap();
        let refused = limits.take(Class::Message, ann, 6).unwrap_err();
        assert_eq!(refused.retry_in(), Some(Duration::from_millis(100)));
        limits.take(Class::Message, ann, 5).unwrap();
        clock.advance(Duration::from_secs(2));
        limits.take(Class::Message, ann, 0).unwrap();
        assert!(limits.take(Class::Message, ann, 20).is_err(), "nothing is free of charge");
    }

    #[test]
    fn a_charge_beyond_the_burst_is_refused_for_good() {
        let (limits, _) = limits();
        let ann = UserId::new(1);
        for (class, burst) in [(Class::Message, 20), (Class::Mark, 200), (Class::Change, 100)] {
            let refused = limits.take(class, ann, burst + 1).unwrap_err();
            assert!(matches!(refused, Error::TooLarge(_)) && refused.retry_in().is_none(), "{refused}");
            limits.take(class, ann, burst).expect("the refusal cost nothing");
        }
    }

    #[test]
    fn users_who_went_quiet_cost_nothing_after_a_sweep() {
        let (limits, clock) = limits();
        for id in 1..=1000 {
            for class in [Class::Message, Class::Mark, Class::Change] {
                limits.take(class, UserId::new(id), 1).unwrap();
            }
        }
        clock.advance(Duration::from_secs(10));
        limits.sweep();
        assert!(limits.is_empty());
    }
}
