//! Unread changes: the users whose unread counts changed, and when to send them. Pure; the time is
//! an argument.
//!
//! The first change is sent at once, and later changes within `EVERY` are merged into one. Only
//! connected users are remembered.

use crate::ids::{ConversationId, UserId};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Minimum interval between two unread updates of one user.
const EVERY: Duration = Duration::from_millis(250);

/// The unread counts of one user to calculate and send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadChange {
    pub user_id: UserId,
    /// The changed conversations, each once; the latest change is last.
    pub changed: Vec<ConversationId>,
}

/// The changes that wait to be sent.
#[derive(Debug, Default)]
pub struct UnreadNotifications {
    waiting: HashMap<UserId, Waiting>,
    /// The users of `waiting` by due time. The number distinguishes two entries of the same
    /// instant.
    due: BTreeMap<(Instant, u64), UserId>,
    numbers: u64,
    last_sent_at: HashMap<UserId, Instant>,
}

#[derive(Debug)]
struct Waiting {
    due: (Instant, u64),
    changed: Vec<ConversationId>,
}

impl UnreadNotifications {
    pub fn changed(&mut self, user_id: UserId, conversation_id: ConversationId, now: Instant) {
        let waiting = self.waiting.entry(user_id).or_insert_with(|| {
            let at = self.last_sent_at.get(&user_id).map_or(now, |last_sent_at| now.max(*last_sent_at + EVERY));
            self.numbers += 1;
            let due = (at, self.numbers);
            self.due.insert(due, user_id);
            Waiting { due, changed: Vec::new() }
        });
        waiting.changed.retain(|known| *known != conversation_id);
        waiting.changed.push(conversation_id);
    }

    /// Requeues a change that could not be sent. Conversations that changed since then stay last.
    pub fn requeue(&mut self, UnreadChange { user_id, changed }: UnreadChange, now: Instant) {
        let since = self.waiting.get(&user_id).map(|waiting| waiting.changed.clone()).unwrap_or_default();
        changed.into_iter().chain(since).for_each(|conversation_id| self.changed(user_id, conversation_id, now));
    }

    /// Returns the next change that is due. It counts as sent from here on.
    pub fn next_due(&mut self, now: Instant) -> Option<UnreadChange> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= now)?;
        let user_id = first.remove();
        self.last_sent_at.insert(user_id, now);
        let changed = self.waiting.remove(&user_id).map(|waiting| waiting.changed).unwrap_or_default();
        Some(UnreadChange { user_id, changed })
    }

    /// Forgets the last send time of users whose pause is over.
    pub fn sweep(&mut self, now: Instant) {
        self.last_sent_at.retain(|_, last_sent_at| now < *last_sent_at + EVERY);
    }

    /// Forgets a user who is no longer connected.
    pub fn on_disconnect(&mut self, user_id: UserId) {
        if let Some(waiting) = self.waiting.remove(&user_id) {
            self.due.remove(&waiting.due);
        }
        self.last_sent_at.remove(&user_id);
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
    fn the_first_change_is_due_at_once_and_later_ones_merge() {
        let (mut unread_notifications, start) = (UnreadNotifications::default(), Instant::now());
        unread_notifications.changed(ANN, conversation(1), start);
        assert_eq!(
            unread_notifications.next_due(start),
            Some(UnreadChange { user_id: ANN, changed: vec![conversation(1)] })
        );
        for number in [2, 1, 3, 1] {
            unread_notifications.changed(ANN, conversation(number), start);
        }
        assert_eq!(unread_notifications.next_due(start + EVERY - Duration::from_millis(1)), None);
        let changed = vec![conversation(2), conversation(3), conversation(1)];
        assert_eq!(unread_notifications.next_due(start + EVERY), Some(UnreadChange { user_id: ANN, changed }));
        assert_eq!(unread_notifications.next_due(start + EVERY * 2), None);
    }

    #[test]
    fn a_waiting_user_does_not_delay_other_users() {
        let (mut unread_notifications, start) = (UnreadNotifications::default(), Instant::now());
        unread_notifications.changed(ANN, conversation(1), start);
        unread_notifications.next_due(start);
        unread_notifications.changed(ANN, conversation(1), start);
        unread_notifications.changed(BOB, conversation(1), start);
        assert_eq!(unread_notifications.next_due(start).map(|change| change.user_id), Some(BOB));
        assert_eq!(unread_notifications.next_due(start), None);
    }

    #[test]
    fn failed_unread_changes_are_sent_with_later_ones() {
        let (mut unread_notifications, start) = (UnreadNotifications::default(), Instant::now());
        for number in [1, 2] {
            unread_notifications.changed(ANN, conversation(number), start);
        }
        let failed = unread_notifications.next_due(start).unwrap();
        for number in [3, 1] {
            unread_notifications.changed(ANN, conversation(number), start);
        }
        unread_notifications.requeue(failed, start);
        let changed = vec![conversation(2), conversation(3), conversation(1)];
        assert_eq!(
            unread_notifications.next_due(start + EVERY),
            Some(UnreadChange { user_id: ANN, changed: changed.clone() })
        );
        assert_eq!(unread_notifications.next_due(start + EVERY * 2), None, "once");
        unread_notifications.requeue(UnreadChange { user_id: ANN, changed: changed.clone() }, start);
        assert_eq!(unread_notifications.next_due(start + EVERY * 3), Some(UnreadChange { user_id: ANN, changed }));
    }

    #[test]
    fn disconnected_and_quiet_users_are_forgotten() {
        let (mut unread_notifications, start) = (UnreadNotifications::default(), Instant::now());
        unread_notifications.changed(ANN, conversation(1), start);
        unread_notifications.on_disconnect(ANN);
        assert_eq!(unread_notifications.next_due(start), None);
        unread_notifications.changed(BOB, conversation(1), start);
        unread_notifications.next_due(start);
        unread_notifications.sweep(start + EVERY);
        assert!(
            unread_notifications.last_sent_at.is_empty()
                && unread_notifications.waiting.is_empty()
                && unread_notifications.due.is_empty()
        );
    }
}
