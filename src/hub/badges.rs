//! Whose unread counts changed, and when to tell: pure, time is an argument.
//!
//! The first change is told at once, what follows within `EVERY` is merged
//! into one. Only users who are here are remembered.

use crate::ids::{ConversationId, UserId};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A user hears of unread counts at most so often.
const EVERY: Duration = Duration::from_millis(250);

/// One user's counts to work out and tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadChange {
    pub user_id: UserId,
    /// Each once; the last that changed is the last.
    pub changed: Vec<ConversationId>,
}

/// What is waiting to be told.
#[derive(Debug, Default)]
pub struct Badges {
    waiting: HashMap<UserId, Vec<ConversationId>>,
    /// Who waits, in the order in which they began to.
    order: VecDeque<UserId>,
    told_at: HashMap<UserId, Instant>,
}

impl Badges {
    pub fn changed(&mut self, user_id: UserId, conversation_id: ConversationId) {
        let changed = self.waiting.entry(user_id).or_insert_with(|| {
            self.order.push_back(user_id);
            Vec::new()
        });
        changed.retain(|known| *known != conversation_id);
        changed.push(conversation_id);
    }

    /// Telling failed: it is due again, and what changed since stays the last.
    pub fn put_back(&mut self, UnreadChange { user_id, changed }: UnreadChange) {
        let since = self.waiting.get(&user_id).cloned().unwrap_or_default();
        changed.into_iter().chain(since).for_each(|conversation_id| self.changed(user_id, conversation_id));
    }

    /// The next change that is due; it counts as told from here on.
    pub fn next_due(&mut self, now: Instant) -> Option<UnreadChange> {
        for _ in 0..self.order.len() {
            let user_id = self.order.pop_front()?;
            if self.told_at.get(&user_id).is_some_and(|told_at| now < *told_at + EVERY) {
                self.order.push_back(user_id);
                continue;
            }
            self.told_at.insert(user_id, now);
            let changed = self.waiting.remove(&user_id).unwrap_or_default();
            return Some(UnreadChange { user_id, changed });
        }
        None
    }

    /// Forgets when users were told whose pause is over.
    pub fn sweep(&mut self, now: Instant) {
        self.told_at.retain(|_, told_at| now < *told_at + EVERY);
    }

    /// Forgets a user who is not here any more.
    pub fn gone(&mut self, user_id: UserId) {
        self.waiting.remove(&user_id);
        self.order.retain(|waiting| *waiting != user_id);
        self.told_at.remove(&user_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: UserId = UserId::new(1);
    const BOB: UserId = UserId::new(2);

    fn conversation(number: i64) -> ConversationId {
        ConversationId::new(number)
    }

    #[test]
    fn the_first_change_is_due_at_once_and_the_next_are_merged() {
        let (mut badges, start) = (Badges::default(), Instant::now());
        badges.changed(ANN, conversation(1));
        assert_eq!(badges.next_due(start), Some(UnreadChange { user_id: ANN, changed: vec![conversation(1)] }));
        for number in [2, 1, 3, 1] {
            badges.changed(ANN, conversation(number));
        }
        assert_eq!(badges.next_due(start + EVERY - Duration::from_millis(1)), None);
        let changed = vec![conversation(2), conversation(3), conversation(1)];
        assert_eq!(badges.next_due(start + EVERY), Some(UnreadChange { user_id: ANN, changed }));
        assert_eq!(badges.next_due(start + EVERY * 2), None);
    }

    #[test]
    fn one_user_who_has_to_wait_keeps_nobody_else_waiting() {
        let (mut badges, start) = (Badges::default(), Instant::now());
        badges.changed(ANN, conversation(1));
        badges.next_due(start);
        badges.changed(ANN, conversation(1));
        badges.changed(BOB, conversation(1));
        assert_eq!(badges.next_due(start).map(|change| change.user_id), Some(BOB));
        assert_eq!(badges.next_due(start), None);
    }

    #[test]
    fn what_could_not_be_told_is_told_with_what_changed_since() {
        let (mut badges, start) = (Badges::default(), Instant::now());
        for number in [1, 2] {
            badges.changed(ANN, conversation(number));
        }
        let failed = badges.next_due(start).unwrap();
        for number in [3, 1] {
            badges.changed(ANN, conversation(number));
        }
        badges.put_back(failed);
        let changed = vec![conversation(2), conversation(3), conversation(1)];
        assert_eq!(badges.next_due(start + EVERY), Some(UnreadChange { user_id: ANN, changed: changed.clone() }));
        assert_eq!(badges.next_due(start + EVERY * 2), None, "once");
        badges.put_back(UnreadChange { user_id: ANN, changed: changed.clone() });
        assert_eq!(badges.next_due(start + EVERY * 3), Some(UnreadChange { user_id: ANN, changed }));
    }

    #[test]
    fn users_who_are_gone_or_quiet_are_forgotten() {
        let (mut badges, start) = (Badges::default(), Instant::now());
        badges.changed(ANN, conversation(1));
        badges.gone(ANN);
        assert_eq!(badges.next_due(start), None);
        badges.changed(BOB, conversation(1));
        badges.next_due(start);
        badges.sweep(start + EVERY);
        assert!(badges.told_at.is_empty() && badges.waiting.is_empty() && badges.order.is_empty());
    }
}
