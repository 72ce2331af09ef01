//! Limits the bytes per second that a socket may send. The hub reads a faster client later, which
//! slows the client down through TCP. It refuses nothing.

use crate::limits::Rate;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, RateLimiter};
use std::num::NonZeroU32;
use std::time::Instant;

pub struct ByteRateLimiter {
    rate: DefaultDirectRateLimiter,
    /// Bytes that were read over the rate, and the time when they are counted.
    debt: Option<(NonZeroU32, Instant)>,
}

impl ByteRateLimiter {
    pub fn new(rate: Rate) -> Self {
        Self { rate: RateLimiter::direct(rate.quota()), debt: None }
    }

    /// Counts the bytes that were read. The hub reads more only after the rate has covered them.
    pub fn consume(&mut self, bytes: NonZeroU32, now: Instant) {
        if let Ok(Err(wait)) = self.rate.check_n(bytes) {
            let wait = wait.wait_time_from(DefaultClock::default().now());
            self.debt = Some((bytes, now + wait));
        }
    }

    /// Returns whether some bytes are not covered yet.
    pub fn is_used_up(&mut self, now: Instant) -> bool {
        if let Some((bytes, _)) = self.debt.take_if(|(_, until)| *until <= now) {
            self.consume(bytes, now);
        }
        self.debt.is_some()
    }

    /// Returns when to check again.
    pub fn refills_at(&self) -> Option<Instant> {
        self.debt.map(|(_, until)| until)
    }
}
