//! The arithmetic of `sync` for one conversation: which changes a client lacks, how many to load,
//! and the client's position after the answer.
//!
//! Every decision depends only on the stored rows. Hidden and cleared messages count as changes,
//! although the answer omits them. If a limit was reached before they were omitted, there may be
//! more.

use crate::ids::{Rev, Seq};
use crate::policy::SyncLimits;
use crate::store::messaging::changes::ConversationHead;

/// The range from a client's position in a conversation to its newest change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    /// The client's position. None: the client gets a reset.
    pub position: Option<Rev>,
    rev: Rev,
    last_seq: Seq,
}

/// One step of an answer, for one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A reset of the conversation. It leads to the newest change.
    Reset,
    /// The first `messages` of the changed visible messages, by `rev`, and the participants that
    /// changed up to `rev`. Leads to `rev`.
    Changes { messages: usize, rev: Rev },
}

impl Cursor {
    /// Creates a cursor, or None when the client lacks nothing. `held` is the client's position, if
    /// it names the conversation and knows the epoch.
    pub fn new(head: &ConversationHead, held: Option<i64>, is_named: bool) -> Option<Self> {
        let position = match held {
            Some(held) if held == head.rev.get() => return None,
            Some(held) if (1..head.rev.get()).contains(&held) => Some(Rev::new(held)),
            // A conversation that is not in the list begins with its next message.
            None if !head.is_shown && !is_named => return None,
            _ => None,
        };
        Some(Self { position, rev: head.rev, last_seq: head.last_seq })
    }

    /// How many messages to load from the end of the conversation. The client lacks at most one
    /// message per rev since its position. `newest` is the number for a reset.
    pub fn wanted(&self, newest: usize, limits: &SyncLimits) -> usize {
        match self.position {
            Some(position) => (limits.changes + 1).min((self.rev.get() - position.get()) as usize),
            None => newest.min(self.last_seq.get() as usize),
        }
    }

    /// The first of the messages to load from the end of the conversation.
    pub fn first_wanted(&self, newest: usize, limits: &SyncLimits) -> Seq {
        Seq::new((self.last_seq.get() - self.wanted(newest, limits) as i64).max(0) + 1)
    }

    /// Whether a row changed after the client's position.
    pub fn is_missed(&self, rev: Rev) -> bool {
        self.position.is_some_and(|position| rev > position)
    }

    /// Whether the client gets a reset. `changes` counts the loaded rows that the client missed,
    /// visible or not.
    pub fn needs_reset(&self, changes: usize, limits: &SyncLimits) -> bool {
        self.position.is_none() || changes > limits.changes
    }

    /// A step with this many of the visible messages that the client missed, and everything else up
    /// to the first omitted message. `shown` has the revs of those messages in ascending order.
    pub fn first(&self, shown: &[Rev], messages: usize) -> Step {
        match shown.get(messages) {
            Some(left_out) => Step::Changes { messages, rev: Rev::new(left_out.get() - 1) },
            None => Step::Changes { messages: shown.len(), rev: self.rev },
        }
    }

    /// The client's position after it applies the step.
    pub fn leads_to(&self, step: Step) -> Rev {
        match step {
            Step::Reset => self.rev,
            Step::Changes { rev, .. } => rev,
        }
    }

    /// Whether the client lacks nothing after it applies the step.
    pub fn is_complete(&self, step: Step) -> bool {
        self.leads_to(step) == self.rev
    }

    /// Whether the step moves the client's position.
    pub fn leads_on(&self, step: Step) -> bool {
        step == Step::Reset || self.position != Some(self.leads_to(step))
    }
}

/// The range from a client's position in its own private changes to the newest one.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnCursor {
    /// The client's position. None: the client gets a reset.
    position: Option<i64>,
    last: i64,
    most: usize,
}

impl OwnCursor {
    /// Creates a cursor for an answer of at most `most` changes. `held` is the client's position,
    /// if it knows the epoch. A position that is ahead is of another history.
    pub fn new(held: Option<i64>, last: i64, most: usize) -> Self {
        Self { position: held.filter(|held| *held <= last), last, most }
    }

    pub fn is_reset(&self) -> bool {
        self.position.is_none()
    }

    /// The number after which the changes are loaded.
    pub fn from(&self) -> i64 {
        self.position.unwrap_or(0)
    }

    /// How many changes of each kind to load, so that one more than fits shows.
    pub fn wanted(&self) -> i64 {
        self.most as i64 + 1
    }

    /// The client's position after the answer. `numbers` has the number of every loaded change. All
    /// kinds are cut at the same number, so that the rest is everything after it.
    pub fn leads_to(&self, mut numbers: Vec<i64>) -> i64 {
        numbers.sort_unstable();
        numbers.get(self.most - 1).copied().filter(|_| numbers.len() > self.most).unwrap_or(self.last)
    }

    /// Whether the client lacks nothing at this position.
    pub fn is_complete(&self, position: i64) -> bool {
        position == self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ConversationId;

    fn head(rev: i64, is_shown: bool) -> ConversationHead {
        ConversationHead { id: ConversationId::new(1), last_seq: Seq::new(rev), rev: Rev::new(rev), is_shown }
    }

    #[test]
    fn a_position_is_current_or_known_or_resets_the_conversation() {
        let position = |held, is_named, is_shown| {
            Cursor::new(&head(9, is_shown), held, is_named).map(|cursor| cursor.position.map(Rev::get))
        };
        for is_shown in [true, false] {
            assert_eq!(position(Some(9), true, is_shown), None, "up to date");
            assert_eq!(position(Some(8), true, is_shown), Some(Some(8)));
            assert_eq!(position(Some(1), true, is_shown), Some(Some(1)));
            assert_eq!(position(Some(0), true, is_shown), Some(None), "unknown");
            assert_eq!(position(Some(10), true, is_shown), Some(None), "ahead");
            assert_eq!(position(None, true, is_shown), Some(None), "of another epoch");
            assert_eq!(position(None, false, is_shown), is_shown.then_some(None), "only a shown one comes unasked");
        }
    }

    #[test]
    fn private_changes_of_all_kinds_are_cut_at_one_revision() {
        let cursor = |held| OwnCursor::new(held, 9, 3);
        assert_eq!((cursor(Some(9)).from(), cursor(Some(9)).is_reset()), (9, false));
        assert_eq!((cursor(Some(10)).from(), cursor(Some(10)).is_reset()), (0, true), "ahead");
        assert_eq!((cursor(None).from(), cursor(None).is_reset(), cursor(None).wanted()), (0, true, 4));
        for (numbers, expected) in [(vec![], 9), (vec![7, 2, 5], 9), (vec![7, 2, 5, 8], 7)] {
            assert_eq!(cursor(Some(1)).leads_to(numbers), expected);
        }
        assert!(cursor(Some(1)).is_complete(9) && !cursor(Some(1)).is_complete(7));
    }

    #[test]
    fn more_changes_than_the_limit_reset_the_conversation() {
        let cursor = Cursor::new(&head(1_000, true), Some(1), true).unwrap();
        assert!(!cursor.needs_reset(500, &SyncLimits::DEFAULT));
        assert!(cursor.needs_reset(501, &SyncLimits::DEFAULT));
        assert_eq!(cursor.wanted(50, &SyncLimits::DEFAULT), 501, "so that one more shows");
    }
}
