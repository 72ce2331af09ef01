//! The bytes that wait for a client to read them, in order, counted and timed.
//!
//! Three numbers show that a client reads too slowly: the waiting bytes, the age of the oldest, and
//! the time when the last byte was sent.

use bytes::Bytes;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

/// The most pieces given to the kernel at once.
const SLICES: usize = 32;
/// A requested answer may be large. It gets this much more time, so that a client on a slow line
/// gets it too.
const ANSWER_BYTES_PER_SECOND: u32 = 16 * 1024;

/// The limits of one socket.
#[derive(Clone, Copy, Debug)]
pub struct OutboxSettings {
    /// The bytes that may wait, not counting answers.
    pub max_bytes: usize,
    /// The largest age of the oldest waiting bytes.
    pub max_age: Duration,
}

/// The queue of bytes for one client. The limits are passed with each call. They are the same for
/// every socket, and an idle socket should hold little memory.
pub struct Outbox {
    /// Each piece is one or more whole frames. `begun` bytes of the first piece are written.
    pieces: VecDeque<Piece>,
    begun: usize,
    /// The waiting bytes, not counting answers.
    counted: usize,
    /// The number of answers that wait.
    answers: u32,
    progress_at: Instant,
    /// The kernel accepted no more.
    is_stuck: bool,
    moved_at: Instant,
}

struct Piece {
    bytes: Bytes,
    is_answer: bool,
    due_at: Instant,
}

impl Outbox {
    pub fn new(now: Instant) -> Self {
        Self {
            pieces: VecDeque::new(),
            begun: 0,
            counted: 0,
            answers: 0,
            progress_at: now,
            is_stuck: false,
            moved_at: now,
        }
    }

    /// Queues whole frames.
    pub fn push(&mut self, bytes: Bytes, is_answer: bool, max_age: Duration, now: Instant) {
        if bytes.is_empty() {
            return;
        }
        if self.pieces.is_empty() {
            self.progress_at = now;
        }
        let mut due_at = now + max_age;
        if is_answer {
            let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            due_at += Duration::from_secs(1) * size / ANSWER_BYTES_PER_SECOND;
            self.answers += 1;
        } else {
            self.counted += bytes.len();
        }
        self.pieces.push_back(Piece { bytes, is_answer, due_at });
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn has_answers(&self) -> bool {
        self.answers > 0
    }

    /// Returns the waiting bytes that count.
    pub fn counted(&self) -> usize {
        self.counted
    }

    /// Returns whether the client reads too slowly to stay connected.
    pub fn is_over(&self, settings: &OutboxSettings, now: Instant) -> bool {
        self.counted > settings.max_bytes || self.deadline(settings.max_age).is_some_and(|deadline| deadline <= now)
    }

    /// Returns when the client becomes too slow, unless it reads.
    pub fn deadline(&self, max_age: Duration) -> Option<Instant> {
        let oldest = self.pieces.front()?;
        Some(oldest.due_at.min(self.progress_at + max_age))
    }

    /// Returns when the client last took some of the waiting bytes, which shows that it is alive.
    /// Bytes that the kernel takes immediately show nothing.
    pub fn moved_at(&self) -> Instant {
        self.moved_at
    }

    /// Writes as much as `write` accepts.
    ///
    /// # Errors
    /// The error of `write`: `WouldBlock` if the rest has to wait.
    pub fn write(&mut self, now: Instant, mut write: impl FnMut(&[IoSlice]) -> io::Result<usize>) -> io::Result<()> {
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                let from = if count == 0 { self.begun } else { 0 };
                *slice = IoSlice::new(&piece.bytes[from..]);
                count += 1;
            }
            match write(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(written, now),
                Err(error) => {
                    self.is_stuck = true;
                    return Err(error);
                }
            }
        }
        self.pieces = VecDeque::new();
        Ok(())
    }

    fn advance(&mut self, written: usize, now: Instant) {
        self.progress_at = now;
        if std::mem::take(&mut self.is_stuck) {
            self.moved_at = now;
        }
        self.begun += written;
        while let Some(first) = self.pieces.front()
            && first.bytes.len() <= self.begun
        {
            self.begun -= first.bytes.len();
            if first.is_answer {
                self.answers -= 1;
            } else {
                self.counted -= first.bytes.len();
            }
            self.pieces.pop_front();
        }
    }

    /// Drops everything except the piece whose beginning the client already has.
    pub fn drop_unstarted(&mut self) {
        self.pieces.truncate(usize::from(self.begun > 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: OutboxSettings = OutboxSettings { max_bytes: 100, max_age: Duration::from_secs(20) };

    fn outbox() -> (Outbox, Instant) {
        let now = Instant::now();
        (Outbox::new(now), now)
    }

    /// A client that takes this many bytes and then no more.
    fn taking(mut room: usize, seen: &mut Vec<u8>) -> impl FnMut(&[IoSlice]) -> io::Result<usize> {
        move |slices| {
            let mut taken = 0;
            for slice in slices {
                let part = &slice[..slice.len().min(room)];
                seen.extend_from_slice(part);
                (room, taken) = (room - part.len(), taken + part.len());
            }
            if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
        }
    }

    #[test]
    fn bytes_keep_their_order_in_partial_writes() {
        let (mut outbox, now) = outbox();
        let mut seen = Vec::new();
        for number in 0..200_u8 {
            outbox.push(Bytes::from(vec![number; 3]), number % 7 == 0, SETTINGS.max_age, now);
        }
        for room in [1, 2, 3, 4, 50, 0, 200] {
            assert!(outbox.write(now, taking(room, &mut seen)).is_err());
        }
        outbox.write(now, taking(usize::MAX, &mut seen)).unwrap();
        assert_eq!(seen, (0..200_u8).flat_map(|number| [number; 3]).collect::<Vec<_>>());
        assert!(outbox.is_empty() && outbox.counted() == 0 && !outbox.has_answers());
    }

    #[test]
    fn the_outbox_holds_exactly_the_allowed_bytes() {
        let (mut outbox, now) = outbox();
        outbox.push(Bytes::from(vec![0; 100]), false, SETTINGS.max_age, now);
        assert!(!outbox.is_over(&SETTINGS, now));
        outbox.push(Bytes::from(vec![0; 1]), false, SETTINGS.max_age, now);
        assert!(outbox.is_over(&SETTINGS, now));
    }

    #[test]
    fn answers_do_not_count_as_outbox_bytes() {
        let (mut outbox, now) = outbox();
        outbox.push(Bytes::from(vec![0; 1 << 20]), true, SETTINGS.max_age, now);
        outbox.push(Bytes::from(vec![0; 100]), false, SETTINGS.max_age, now);
        assert!(!outbox.is_over(&SETTINGS, now) && outbox.has_answers());
    }

    #[test]
    fn a_slow_reader_does_not_extend_the_age_limit() {
        let (mut outbox, start) = outbox();
        outbox.push(Bytes::from(vec![0; 90]), false, SETTINGS.max_age, start);
        for second in 1..20 {
            let now = start + Duration::from_secs(second);
            assert!(outbox.write(now, taking(1, &mut Vec::new())).is_err());
            assert!(!outbox.is_over(&SETTINGS, now), "after {second} s");
        }
        assert!(!outbox.is_over(&SETTINGS, start + SETTINGS.max_age - Duration::from_millis(1)));
        assert!(outbox.is_over(&SETTINGS, start + SETTINGS.max_age));
    }

    #[test]
    fn a_large_answer_gets_more_time_while_it_is_read() {
        let (mut outbox, start) = outbox();
        outbox.push(Bytes::from(vec![0; 1 << 20]), true, SETTINGS.max_age, start);
        assert!(outbox.is_over(&SETTINGS, start + SETTINGS.max_age), "the client does not read");
        for second in 1..84 {
            let now = start + Duration::from_secs(second);
            assert!(outbox.write(now, taking(10_000, &mut Vec::new())).is_err());
            assert!(!outbox.is_over(&SETTINGS, now), "after {second} s");
        }
        assert!(outbox.is_over(&SETTINGS, start + Duration::from_secs(84)));
    }

    #[test]
    fn only_reading_queued_bytes_counts_as_activity() {
        let (mut outbox, start) = outbox();
        let after = |seconds| start + Duration::from_secs(seconds);
        outbox.push(Bytes::from(vec![0; 10]), false, SETTINGS.max_age, after(1));
        assert!(outbox.write(after(1), taking(5, &mut Vec::new())).is_err());
        assert!(outbox.write(after(2), taking(0, &mut Vec::new())).is_err());
        assert_eq!(outbox.moved_at(), start, "the kernel had room");
        outbox.write(after(3), taking(5, &mut Vec::new())).unwrap();
        outbox.push(Bytes::from(vec![0; 10]), false, SETTINGS.max_age, after(4));
        outbox.write(after(4), taking(10, &mut Vec::new())).unwrap();
        assert_eq!(outbox.moved_at(), after(3));
    }

    #[test]
    fn a_previously_idle_connection_gets_the_full_time() {
        let (mut outbox, start) = outbox();
        let later = start + 10 * SETTINGS.max_age;
        outbox.push(Bytes::from_static(b"late"), false, SETTINGS.max_age, later);
        assert!(!outbox.is_over(&SETTINGS, later));
    }

    #[test]
    fn a_started_frame_is_finished_and_the_rest_dropped() {
        let (mut outbox, now) = outbox();
        let mut seen = Vec::new();
        for bytes in ["first", "second", "third"] {
            outbox.push(bytes.into(), false, SETTINGS.max_age, now);
        }
        assert!(outbox.write(now, taking(7, &mut seen)).is_err());
        outbox.drop_unstarted();
        outbox.push("bye".into(), false, SETTINGS.max_age, now);
        outbox.write(now, taking(usize::MAX, &mut seen)).unwrap();
        assert_eq!(seen, b"firstsecondbye");
    }
}
