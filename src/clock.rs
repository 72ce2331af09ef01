//! Time and randomness, the two inputs that make runs differ. They are in one place, so that tests
//! can control them.
//!
//! Code called by the dispatcher takes `now` as an argument. No other code reads the system clock.

use crate::ids::{SessionId, Timestamp};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall-clock time; cheap to clone. It is not monotonic: code that needs an order keeps the larger
/// of two readings.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    fixed: Option<Arc<AtomicI64>>,
}

impl Clock {
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still until `set`. Its clones move with it.
    pub fn fixed_at(now: Timestamp) -> Self {
        Self { fixed: Some(Arc::new(AtomicI64::new(now.as_millis()))) }
    }

    /// Moves a fixed clock, forwards or backwards. The system clock cannot be moved.
    pub fn set(&self, now: Timestamp) {
        if let Some(millis) = &self.fixed {
            millis.store(now.as_millis(), Ordering::SeqCst);
        }
    }

    pub fn now(&self) -> Timestamp {
        let millis = match &self.fixed {
            Some(millis) => millis.load(Ordering::SeqCst),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
        };
        Timestamp::from_millis(millis)
    }
}

/// Unpredictable bytes from the operating system's generator.
///
/// # Panics
/// When the system has no source of randomness: no token would be safe then.
#[expect(clippy::expect_used, reason = "without randomness no token is safe, so nothing may go on")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a source of randomness");
    bytes
}

/// A random session id (64 bits), in practice unique in this process. It is known before the
/// session starts.
pub fn random_session_id() -> SessionId {
    SessionId::new(NonZeroU64::new(u64::from_le_bytes(random_bytes())).unwrap_or(NonZeroU64::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_and_its_clones_move_only_when_set() {
        let clock = Clock::fixed_at(Timestamp::from_millis(7));
        let clone = clock.clone();
        assert_eq!(clone.now(), Timestamp::from_millis(7));
        clock.set(Timestamp::from_millis(3));
        assert_eq!(clone.now(), Timestamp::from_millis(3));
    }

    #[test]
    fn the_system_clock_is_later_than_2026() {
        assert!(Clock::system().now() > Timestamp::from_millis(1_767_225_600_000));
    }
}
