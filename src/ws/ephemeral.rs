//! Buffers frames that matter only while they are true: typing, viewing and presence. A client that
//! does not keep up gets the last frame of each kind, or none.

use crate::hub::Ephemeral;
use crate::wire::Frame;

/// The most kinds that may wait at once.
const MAX_WAITING: usize = 64;

/// The frames that wait until the client has read the rest.
pub struct EphemeralBuffer {
    frames: Vec<(Ephemeral, Frame)>,
    /// The limit of unsent bytes. Above it the buffer keeps no frames.
    max_unsent: usize,
    dropped: u64,
}

impl EphemeralBuffer {
    pub fn new(max_unsent: usize) -> Self {
        Self { frames: Vec::new(), max_unsent, dropped: 0 }
    }

    /// Keeps the frame in place of an earlier one of its kind. Returns true if it is the first
    /// frame to wait.
    pub fn put(&mut self, what: Ephemeral, frame: Frame, unsent: usize) -> bool {
        let was_empty = self.frames.is_empty();
        self.drop_over(unsent);
        let earlier = self.frames.len();
        self.frames.retain(|(kind, _)| *kind != what);
        let has_merged = self.frames.len() < earlier;
        if unsent > self.max_unsent || self.frames.len() == MAX_WAITING {
            self.dropped += 1;
        } else {
            self.frames.push((what, frame));
            self.dropped += u64::from(has_merged);
        }
        was_empty && !self.frames.is_empty()
    }

    /// Takes all waiting frames, oldest first.
    pub fn take(&mut self, unsent: usize) -> impl Iterator<Item = Frame> + use<> {
        self.drop_over(unsent);
        std::mem::take(&mut self.frames).into_iter().map(|(_, frame)| frame)
    }

    /// Returns the number of frames that were never written. A later frame replaced them, or the
    /// client did not read.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn drop_over(&mut self, unsent: usize) {
        if unsent > self.max_unsent {
            self.dropped += self.frames.len() as u64;
            self.frames = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;

    fn online(user: i64) -> Ephemeral {
        Ephemeral::Presence(UserId::new(user))
    }

    fn taken(waiting: &mut EphemeralBuffer, unsent: usize) -> Vec<String> {
        waiting.take(unsent).map(|frame| frame.to_string()).collect()
    }

    #[test]
    fn only_the_newest_frame_of_each_kind_is_kept_in_order() {
        let mut waiting = EphemeralBuffer::new(100);
        assert!(waiting.put(online(1), "1 comes".into(), 50));
        assert!(!waiting.put(online(2), "2 comes".into(), 50));
        assert!(!waiting.put(online(1), "1 goes".into(), 50));
        assert_eq!(taken(&mut waiting, 0), ["2 comes", "1 goes"]);
        assert_eq!(waiting.dropped(), 1);
        assert!(waiting.put(online(1), "again".into(), 50));
    }

    #[test]
    fn ephemeral_frames_are_dropped_when_the_outbox_is_half_full() {
        let mut waiting = EphemeralBuffer::new(100);
        assert!(waiting.put(online(1), "1".into(), 100));
        assert!(!waiting.put(online(2), "2".into(), 101), "over the half");
        assert_eq!((taken(&mut waiting, 0).len(), waiting.dropped()), (0, 2));
        waiting.put(online(1), "1".into(), 100);
        assert_eq!(taken(&mut waiting, 101).len(), 0);
        assert_eq!(waiting.dropped(), 3);
    }

    #[test]
    fn ephemeral_frames_of_a_limited_number_of_kinds_wait() {
        let mut waiting = EphemeralBuffer::new(100);
        for user in 1..=MAX_WAITING as i64 + 1 {
            waiting.put(online(user), user.to_string().into(), 1);
        }
        assert_eq!((taken(&mut waiting, 0).len(), waiting.dropped()), (MAX_WAITING, 1));
    }
}
