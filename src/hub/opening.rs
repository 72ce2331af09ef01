//! Sessions that are being opened. Frames delivered meanwhile are kept here and not sent. A session
//! takes nothing before it has read its initial state, so its mailbox would overflow.
//!
//! The kept frames are bounded. Beyond the bound all of them are dropped. The session then gets one
//! `resync` after its welcome, which says that it missed something.

use super::outgoing::Delivery;
use crate::ids::UserId;
use std::collections::HashSet;

/// Maximum bytes of frames kept for one session; each frame counts with [`OVERHEAD`].
const MAX_KEPT: usize = 64 * 1024;
const OVERHEAD: usize = 64;

/// A session between its attach and its first frames.
#[derive(Debug, Default)]
pub struct Opening {
    /// Users hidden from this session since it attached. The snapshot for its `presence_state` may
    /// be older.
    hidden: HashSet<UserId>,
    kept: Vec<Delivery>,
    bytes: usize,
    has_missed: bool,
}

/// The frames to send once the session is open.
#[derive(Debug, Default)]
pub struct Opened {
    pub hidden: HashSet<UserId>,
    pub kept: Vec<Delivery>,
    /// Frames were dropped.
    pub has_missed: bool,
}

impl Opening {
    pub fn keep(&mut self, deliveries: Vec<Delivery>) {
        if self.has_missed {
            return;
        }
        self.bytes += deliveries.iter().map(|delivery| delivery.frame().len() + OVERHEAD).sum::<usize>();
        if self.bytes > MAX_KEPT {
            self.kept = Vec::new();
            self.has_missed = true;
        } else {
            self.kept.extend(deliveries);
        }
    }

    /// Notes that the user may see the presence of `subject`, or may not any more.
    pub fn note_visibility(&mut self, subject: UserId, is_visible: bool) {
        if is_visible {
            self.hidden.remove(&subject);
        } else {
            self.hidden.insert(subject);
        }
    }

    pub fn finish(self) -> Opened {
        let Self { hidden, kept, has_missed, .. } = self;
        Opened { hidden, kept, has_missed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize) -> Vec<Delivery> {
        vec![Delivery::Reliable("x".repeat(length).into())]
    }

    #[test]
    fn frames_are_kept_up_to_the_bound_and_dropped_beyond() {
        let mut opening = Opening::default();
        opening.keep(frame(MAX_KEPT / 2 - OVERHEAD));
        opening.keep(frame(MAX_KEPT / 2 - OVERHEAD));
        let mut beyond = Opening::default();
        beyond.keep(frame(MAX_KEPT / 2 - OVERHEAD));
        beyond.keep(frame(MAX_KEPT / 2 - OVERHEAD + 1));
        beyond.keep(frame(1));
        let (within, beyond) = (opening.finish(), beyond.finish());
        assert_eq!((within.kept.len(), within.has_missed), (2, false));
        assert_eq!((beyond.kept.len(), beyond.has_missed), (0, true), "a later frame alone would be a gap");
    }
}
