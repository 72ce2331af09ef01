//! Rate limits, as token buckets: one for each user and class, one for each login, and one for each
//! address.
//!
//! The buckets are governor's (a maintained GCRA limiter). The time comes from its clock, which
//! tests replace. `sweep` drops the state of a key that was idle for the length of its bucket.

use crate::error::{Error, Result};
use crate::ids::{LoginId, UserId};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{InsufficientCapacity, Quota, RateLimiter};
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;

/// The rate-limit class of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A private message, limited by `MESSAGE_RATE` and `MESSAGE_BURST`.
    Message,
    /// A sign of activity: typing, viewing or a read position.
    Mark,
    /// Any other change.
    Change,
    /// Limited only by the rate of frames and requests.
    Unlimited,
}

/// Rate of marks, as a multiple of the message rate. Marks and changes are many times as frequent
/// as messages.
const MARKS_PER_MESSAGE: NonZeroU32 = NonZeroU32::new(10).unwrap();
const CHANGES_PER_MESSAGE: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// A sustained rate per second and a burst.
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

type Buckets<K, C> = RateLimiter<K, DashMapStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The user buckets of this node.
pub struct Limits<C: Clock = DefaultClock> {
    messages: Buckets<UserId, C>,
    marks: Buckets<UserId, C>,
    changes: Buckets<UserId, C>,
    clock: C,
}

impl Limits {
    /// Derives all limits from the message rate.
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

    /// Takes this many tokens of the class from the user, at least one. Takes all of them or none.
    ///
    /// # Errors
    /// `RateLimited` with the time until there are enough tokens. `TooLarge` if the number exceeds
    /// the burst of the class, which never holds enough.
    pub fn take(&self, class: Class, user_id: UserId, tokens: u32) -> Result<()> {
        let (buckets, limit) = match class {
            Class::Unlimited => return Ok(()),
            Class::Message => (&self.messages, "MESSAGE_RATE messages a second"),
            Class::Mark => (&self.marks, "10 times MESSAGE_RATE marks a second"),
            Class::Change => (&self.changes, "5 times MESSAGE_RATE changes a second"),
        };
        let tokens = NonZeroU32::new(tokens).unwrap_or(NonZeroU32::MIN);
        match buckets.check_key_n(&user_id, tokens) {
            Ok(taken) => {
                taken.map_err(|wait| Error::RateLimited { limit, retry_in: wait.wait_time_from(self.clock.now()) })
            }
            Err(InsufficientCapacity(burst)) => Err(Error::TooLarge(
                format!("this counts as {tokens} changes, and {burst} are allowed at once: split it").into(),
            )),
        }
    }

    /// Drops the buckets that are full again.
    pub fn sweep(&self) {
        self.all().into_iter().for_each(forget_quiet);
    }

    /// Number of buckets that are not known to be full.
    pub fn len(&self) -> usize {
        self.all().iter().map(|buckets| buckets.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn all(&self) -> [&Buckets<UserId, C>; 3] {
        [&self.messages, &self.marks, &self.changes]
    }
}

/// Rate of one address, as a multiple of a login's rate: many users may share an address.
const LOGINS_PER_ADDRESS: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// Limits on the rate of requests, whatever the operation.
pub struct RequestLimits<C: Clock = DefaultClock> {
    /// Buckets by login. Tokens of an external identity provider have no login here, so they share
    /// one bucket per user.
    logins: Buckets<(UserId, Option<LoginId>), C>,
    addresses: Buckets<IpAddr, C>,
    clock: C,
}

impl RequestLimits {
    /// Derives all limits from the rate of one login.
    pub fn new(login: Rate) -> Self {
        Self::with_clock(login, DefaultClock::default())
    }
}

impl<C: Clock + Clone> RequestLimits<C> {
    pub fn with_clock(login: Rate, clock: C) -> Self {
        let address = login.times(LOGINS_PER_ADDRESS);
        Self {
            logins: RateLimiter::new(login.quota(), DashMapStateStore::default(), clock.clone()),
            addresses: RateLimiter::new(address.quota(), DashMapStateStore::default(), clock.clone()),
            clock,
        }
    }

    /// Takes tokens from the bucket of a login.
    ///
    /// # Errors
    /// `RateLimited` with the time until there is a token.
    pub fn take_login(&self, user_id: UserId, login_id: Option<LoginId>, tokens: NonZeroU32) -> Result<()> {
        let limit = "REQUEST_RATE requests a second by one login";
        take(&self.logins, &(user_id, login_id), tokens, limit, &self.clock)
    }

    /// Takes tokens from the bucket of an address.
    ///
    /// # Errors
    /// `RateLimited` with the time until there is a token.
    pub fn take_address(&self, address: IpAddr, tokens: NonZeroU32) -> Result<()> {
        let limit = "20 times REQUEST_RATE requests a second from one address";
        take(&self.addresses, &address, tokens, limit, &self.clock)
    }

    /// Drops the buckets that are full again.
    pub fn sweep(&self) {
        forget_quiet(&self.logins);
        forget_quiet(&self.addresses);
    }
}

/// Takes tokens from one bucket. More tokens than the bucket's capacity take the whole bucket.
fn take<K: Clone + Hash + Eq, C: Clock>(
    buckets: &Buckets<K, C>,
    key: &K,
    tokens: NonZeroU32,
    limit: &'static str,
    clock: &C,
) -> Result<()> {
    let taken = match buckets.check_key_n(key, tokens) {
        Err(InsufficientCapacity(burst)) => buckets.check_key_n(key, NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN)),
        taken => taken,
    };
    let taken = taken.map_err(|InsufficientCapacity(_)| Error::bug("a bucket holds its burst"))?;
    taken.map_err(|wait| Error::RateLimited { limit, retry_in: wait.wait_time_from(clock.now()) })
}

fn forget_quiet<K: Clone + Hash + Eq, C: Clock>(buckets: &Buckets<K, C>) {
    buckets.retain_recent();
    buckets.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::time::Duration;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn limits() -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let rate = Rate { per_second: NonZeroU32::new(10).unwrap(), burst: NonZeroU32::new(20).unwrap() };
        (Limits::with_clock(rate, clock.clone()), clock)
    }

    #[test]
    fn a_burst_passes_and_only_that_user_waits_afterwards() {
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
    fn each_class_has_its_own_bucket_scaled_to_messages() {
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
        assert!(limits.take(Class::Message, ann, 20).is_err(), "a zero cost is charged too");
    }

    #[test]
    fn a_charge_beyond_the_burst_is_refused_permanently() {
        let (limits, _) = limits();
        let ann = UserId::new(1);
        for (class, burst) in [(Class::Message, 20), (Class::Mark, 200), (Class::Change, 100)] {
            let refused = limits.take(class, ann, burst + 1).unwrap_err();
            assert!(matches!(refused, Error::TooLarge(_)) && refused.retry_in().is_none(), "{refused}");
            limits.take(class, ann, burst).expect("the refusal cost nothing");
        }
    }

    #[test]
    fn requests_are_counted_for_each_login_and_for_each_address() {
        let clock = FakeRelativeClock::default();
        let rate = Rate { per_second: NonZeroU32::new(10).unwrap(), burst: NonZeroU32::new(20).unwrap() };
        let limits = RequestLimits::with_clock(rate, clock.clone());
        let (ann, phone, desk) = (UserId::new(1), Some(LoginId::new(1)), Some(LoginId::new(2)));
        let address = |last| IpAddr::from([192, 0, 2, last]);
        for _ in 0..20 {
            limits.take_login(ann, phone, ONE).unwrap();
        }
        let refused = limits.take_login(ann, phone, ONE).unwrap_err();
        assert_eq!(refused.retry_in(), Some(Duration::from_millis(100)));
        limits.take_login(ann, desk, ONE).unwrap();
        limits.take_login(UserId::new(2), None, ONE).unwrap();
        for _ in 0..20 * 20 {
            limits.take_address(address(1), ONE).unwrap();
        }
        assert_eq!(limits.take_address(address(1), ONE).unwrap_err().retry_in(), Some(Duration::from_millis(5)));
        limits.take_address(address(2), ONE).unwrap();
        clock.advance(Duration::from_millis(100));
        limits.take_login(ann, phone, ONE).unwrap();
        limits.take_address(address(1), ONE).unwrap();
        clock.advance(Duration::from_secs(10));
        limits.sweep();
        assert_eq!((limits.logins.len(), limits.addresses.len()), (0, 0));
    }

    #[test]
    fn a_request_may_cost_several_tokens_up_to_a_full_bucket() {
        let clock = FakeRelativeClock::default();
        let rate = Rate { per_second: NonZeroU32::new(10).unwrap(), burst: NonZeroU32::new(20).unwrap() };
        let limits = RequestLimits::with_clock(rate, clock.clone());
        let [ann, bob] = [1, 2].map(UserId::new);
        let tokens = |count| NonZeroU32::new(count).unwrap();
        (0..5).for_each(|_| limits.take_login(ann, None, tokens(4)).unwrap());
        assert_eq!(limits.take_login(ann, None, tokens(4)).unwrap_err().retry_in(), Some(Duration::from_millis(400)));
        limits.take_login(bob, None, tokens(21)).unwrap();
        assert_eq!(limits.take_login(bob, None, ONE).unwrap_err().retry_in(), Some(Duration::from_millis(100)));
    }

    #[test]
    fn quiet_users_use_no_memory_after_a_sweep() {
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
