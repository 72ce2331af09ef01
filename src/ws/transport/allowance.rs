//! How many bytes a second a socket may send. Who sends more is read later,
//! which the peer notices by TCP; nothing is refused.

use crate::limits::Rate;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, RateLimiter};
use std::num::NonZeroU32;
use std::time::Instant;

pub struct Allowance {
    rate: DefaultDirectRateLimiter,
    /// Read already, and counted once it is this late.
    owed: Option<(NonZeroU32, Instant)>,
}

impl Allowance {
    pub fn new(rate: Rate) -> Self {
        Self { rate: RateLimiter::direct(rate.quota()), owed: None }
    }

    /// Counts what was read; the rate has to come up with it before more is.
    pub fn charge(&mut self, bytes: NonZeroU32, now: Instant) {
        if let Ok(Err(wait)) = self.rate.check_n(bytes) {
            let wait = wait.wait_time_from(DefaultClock::default().now());
            self.owed = Some((bytes, now + wait));
        }
    }

    /// Whether something is still owed.
    pub fn is_used_up(&mut self, now: Instant) -> bool {
        if let Some((bytes, _)) = self.owed.take_if(|(_, until)| *until <= now) {
            self.charge(bytes, now);
        }
        self.owed.is_some()
    }

    /// When to ask again.
    pub fn refills_at(&self) -> Option<Instant> {
        self.owed.map(|(_, until)| until)
    }
}
