//! How many bytes a second a socket may send. Who sends more is read later,
//! which the peer notices by TCP; nothing is refused.

use crate::limits::Rate;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, RateLimiter};
use std::num::NonZeroU32;
use std::time::Instant;

pub struct ByteRateLimiter {
    rate: DefaultDirectRateLimiter,
    /// Read already, and counted once it is this late.
    debt: Option<(NonZeroU32, Instant)>,
}

impl ByteRateLimiter {
    pub fn new(rate: Rate) -> Self {
        Self { rate: RateLimiter::direct(rate.quota()), debt: None }
    }

    /// Counts what was read; the rate has to come up with it before more is.
    pub fn consume(&mut self, bytes: NonZeroU32, now: Instant) {
        if let Ok(Err(wait)) = self.rate.check_n(bytes) {
            let wait = wait.wait_time_from(DefaultClock::default().now());
            self.debt = Some((bytes, now + wait));
        }
    }

    /// Whether something is still debt.
    pub fn is_used_up(&mut self, now: Instant) -> bool {
        if let Some((bytes, _)) = self.debt.take_if(|(_, until)| *until <= now) {
            self.consume(bytes, now);
        }
        self.debt.is_some()
    }

    /// When to ask again.
    pub fn refills_at(&self) -> Option<Instant> {
        self.debt.map(|(_, until)| until)
    }
}
