//! The arithmetic of `sync`, for one conversation: what a client lacks, how
//! much of it to load, and to which position an answer leads.
//!
//! Everything is decided on what the tables hold. Hidden and cleared messages
//! count as changes, although the answer leaves them out: a limit that was
//! reached before they were left out says that there may be more.

use crate::ids::{Rev, Seq};
use crate::policy::SyncLimits;
use crate::store::messaging::changes::Standing;

/// From a client's position in a conversation to the conversation's newest
/// change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    /// None: the client gets the conversation anew.
    pub position: Option<Rev>,
    rev: Rev,
    last_seq: Seq,
}

/// What an answer tells of one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The conversation anew. Leads to its newest change.
    Reset,
    /// The first `messages` of those that changed and show, by `rev`, and the
    /// participants that changed up to `rev`. Leads to `rev`.
    Changes { messages: usize, rev: Rev },
}

impl Cursor {
    /// None when there is nothing to tell. `held` is the client's position, if
    /// it names the conversation and knows the epoch.
    pub fn new(head: &Standing, held: Option<i64>, is_named: bool) -> Option<Self> {
        let position = match held {
            Some(held) if held == head.rev.get() => return None,
            Some(held) if (1..head.rev.get()).contains(&held) => Some(Rev::new(held)),
            // A conversation that the list does not show begins with the next
            // message in it.
            None if !head.is_shown && !is_named => return None,
            _ => None,
        };
        Some(Self { position, rev: head.rev, last_seq: head.last_seq })
    }

    /// How many messages to load from the end of the conversation. A client
    /// lacks at most as many as revs were taken since its position. `newest` is
    /// for a conversation anew.
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

    /// Whether the client gets the conversation anew. `changes` counts the rows
    /// that were loaded and that the client missed, shown or not.
    pub fn comes_anew(&self, changes: usize, limits: &SyncLimits) -> bool {
        self.position.is_none() || changes > limits.changes
    }

    /// So many messages of those that the client missed and that show, whose
    /// revs `shown` has in ascending order; and everything else up to the first
    /// that is left out.
    pub fn first(&self, shown: &[Rev], messages: usize) -> Step {
        match shown.get(messages) {
            Some(left_out) => Step::Changes { messages, rev: Rev::new(left_out.get() - 1) },
            None => Step::Changes { messages: shown.len(), rev: self.rev },
        }
    }

    /// The client's position once it applied the step.
    pub fn leads_to(&self, step: Step) -> Rev {
        match step {
            Step::Reset => self.rev,
            Step::Changes { rev, .. } => rev,
        }
    }

    /// Whether the client lacks nothing once it applied the step.
    pub fn is_complete(&self, step: Step) -> bool {
        self.leads_to(step) == self.rev
    }

    /// Whether the step brings the client any further.
    pub fn leads_on(&self, step: Step) -> bool {
        step == Step::Reset || self.position != Some(self.leads_to(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ConversationId;

    fn head(rev: i64, is_shown: bool) -> Standing {
        Standing { id: ConversationId::new(1), last_seq: Seq::new(rev), rev: Rev::new(rev), is_shown }
    }

    #[test]
    fn a_position_is_up_to_date_or_known_or_gets_the_conversation_anew() {
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
    fn as_many_changes_as_the_limit_are_told_and_one_more_comes_anew() {
        let cursor = Cursor::new(&head(1_000, true), Some(1), true).unwrap();
        assert!(!cursor.comes_anew(500, &SyncLimits::DEFAULT));
        assert!(cursor.comes_anew(501, &SyncLimits::DEFAULT));
        assert_eq!(cursor.wanted(50, &SyncLimits::DEFAULT), 501, "so that one more shows");
    }
}
