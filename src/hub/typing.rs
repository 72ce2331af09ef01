//! Typing: which user types in which conversation. Pure; the time is an argument.
//!
//! A client repeats "typing" while keys are pressed, and the hub relays only some repeats. The hub
//! itself sends "stopped" when the user falls silent or the socket closes, whatever state that
//! socket is in.

use crate::ids::{ConversationId, SessionId, UserId};
use crate::wire::TypingEvent;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Divisor of the timeout: a repeat is relayed after this part of it. A user who joined meanwhile
/// then sees the mark too, and a flood of repeats is not relayed.
const RELAY_EVERY: u32 = 3;

/// The marks that are set now.
#[derive(Debug)]
pub struct TypingTable {
    timeout: Duration,
    marks: BTreeMap<(ConversationId, UserId), Mark>,
    /// The keys of `marks`, the user first: ending all marks of a user costs only that user's
    /// marks.
    by_user: BTreeSet<(UserId, ConversationId)>,
}

#[derive(Debug)]
struct Mark {
    /// The last event received; `is_typing` is true.
    event: TypingEvent,
    until: Instant,
    relayed_at: Instant,
}

impl TypingTable {
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, marks: BTreeMap::new(), by_user: BTreeSet::new() }
    }

    /// Handles an event. Returns the event to relay now, if any.
    pub fn on_event(&mut self, event: TypingEvent, now: Instant) -> Option<TypingEvent> {
        let key = (event.conversation_id, event.user_id);
        if !event.is_typing {
            return self.remove(key).map(|_| event);
        }
        let until = now + self.timeout;
        let quiet_for = self.timeout / RELAY_EVERY;
        let relayed_at = match self.marks.get(&key) {
            Some(mark) if now < mark.relayed_at + quiet_for => mark.relayed_at,
            _ => now,
        };
        self.marks.insert(key, Mark { event: event.clone(), until, relayed_at });
        self.by_user.insert((event.user_id, event.conversation_id));
        (relayed_at == now).then_some(event)
    }

    /// Removes a mark when the user sends the message: clients clear the mark by themselves.
    pub fn on_message(&mut self, conversation_id: ConversationId, user_id: UserId) {
        self.remove((conversation_id, user_id));
    }

    /// Removes the marks of a closed socket. Returns the events to relay.
    pub fn on_disconnect(&mut self, user_id: UserId, session_id: SessionId) -> Vec<TypingEvent> {
        let set_there = |key: &(ConversationId, UserId)| {
            self.marks.get(key).is_some_and(|mark| mark.event.session == Some(session_id))
        };
        let ended: Vec<_> = self.marks_of(user_id).filter(set_there).collect();
        ended.into_iter().filter_map(|key| self.end(key)).collect()
    }

    /// Removes the marks of silent users. Returns the events to relay.
    pub fn expire(&mut self, now: Instant) -> Vec<TypingEvent> {
        let silent: Vec<_> = self.marks.iter().filter(|(_, mark)| mark.until <= now).map(|(key, _)| *key).collect();
        silent.into_iter().filter_map(|key| self.end(key)).collect()
    }

    /// Removes a user who left the conversation. Returns the event about the user's own mark. The
    /// user gets no events about the marks of others.
    pub fn on_leave(&mut self, conversation_id: ConversationId, user_id: UserId) -> Option<TypingEvent> {
        let everybody = (conversation_id, UserId::new(0))..=(conversation_id, UserId::new(i64::MAX));
        for (_, mark) in self.marks.range_mut(everybody) {
            mark.event.to.retain(|reader| *reader != user_id);
        }
        self.end((conversation_id, user_id))
    }

    /// Handles two users who may no longer see each other type. Returns the events about the marks
    /// that they saw. For other users these marks stay set.
    pub fn on_block(&mut self, one: UserId, other: UserId) -> Vec<TypingEvent> {
        let mut ended = Vec::new();
        for (typist, reader) in [(one, other), (other, one)] {
            for key in self.marks_of(typist).collect::<Vec<_>>() {
                let Some(Mark { event, .. }) = self.marks.get_mut(&key) else { continue };
                if event.to.contains(&reader) {
                    event.to.retain(|user_id| *user_id != reader);
                    ended.push(TypingEvent { is_typing: false, to: vec![reader], ..event.clone() });
                }
            }
        }
        ended
    }

    /// Returns the keys of one user's marks.
    fn marks_of(&self, user_id: UserId) -> impl Iterator<Item = (ConversationId, UserId)> + '_ {
        let all = (user_id, ConversationId::new(0))..=(user_id, ConversationId::new(i64::MAX));
        self.by_user.range(all).map(|(user_id, conversation_id)| (*conversation_id, *user_id))
    }

    fn end(&mut self, key: (ConversationId, UserId)) -> Option<TypingEvent> {
        self.remove(key).map(|mark| TypingEvent { is_typing: false, ..mark.event })
    }

    fn remove(&mut self, key: (ConversationId, UserId)) -> Option<Mark> {
        let (conversation_id, user_id) = key;
        self.by_user.remove(&(user_id, conversation_id));
        self.marks.remove(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU64;

    const TIMEOUT: Duration = Duration::from_secs(3);
    const SESSION: SessionId = SessionId::new(NonZeroU64::MIN);

    fn event(is_typing: bool) -> TypingEvent {
        TypingEvent {
            conversation_id: ConversationId::new(1),
            user_id: UserId::new(2),
            recipient_id: Some(UserId::new(3)),
            is_typing,
            to: vec![UserId::new(3)],
            session: Some(SESSION),
        }
    }

    #[test]
    fn an_idle_typist_is_cleared_once_at_the_timeout() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        assert!(table.on_event(event(true), start).is_some());
        assert!(table.expire(start + TIMEOUT - Duration::from_millis(1)).is_empty());
        let ended = table.expire(start + TIMEOUT);
        assert_eq!(ended.len(), 1);
        assert!(!ended[0].is_typing);
        assert!(table.expire(start + TIMEOUT * 2).is_empty());
    }

    #[test]
    fn repeats_keep_the_mark_and_are_relayed_once_a_second() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        let passed_on = (0..30)
            .filter(|tenth| table.on_event(event(true), start + Duration::from_millis(100 * tenth)).is_some())
            .count();
        assert_eq!(passed_on, 3);
        assert!(table.expire(start + Duration::from_millis(2_900) + TIMEOUT - Duration::from_millis(1)).is_empty());
    }

    #[test]
    fn a_typing_stop_is_relayed_only_after_a_start() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        assert!(table.on_event(event(false), start).is_none());
        table.on_event(event(true), start);
        assert!(table.on_event(event(false), start).is_some());
        assert!(table.on_event(event(false), start).is_none());
    }

    #[test]
    fn a_message_ends_the_typing_mark_without_a_frame() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        table.on_event(event(true), start);
        table.on_message(ConversationId::new(1), UserId::new(2));
        assert!(table.expire(start + TIMEOUT).is_empty());
        assert!(table.on_event(event(true), start).is_some(), "the next start is relayed at once");
    }

    fn shown_to(readers: [i64; 2]) -> TypingEvent {
        TypingEvent { recipient_id: None, to: readers.map(UserId::new).to_vec(), ..event(true) }
    }

    #[test]
    fn a_leaving_user_loses_their_mark_and_sees_no_others() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        table.on_event(shown_to([3, 4]), start);
        assert!(table.on_leave(ConversationId::new(9), UserId::new(3)).is_none(), "another conversation");
        assert!(table.on_leave(ConversationId::new(1), UserId::new(3)).is_none());
        let ended = table.on_leave(ConversationId::new(1), UserId::new(2));
        assert_eq!(
            ended.iter().map(|event| (event.is_typing, &event.to[..])).collect::<Vec<_>>(),
            [(false, &[UserId::new(4)][..])]
        );
        assert!(table.expire(start + TIMEOUT).is_empty());
    }

    #[test]
    fn a_block_ends_typing_marks_between_the_two_users_only() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        table.on_event(shown_to([3, 4]), start);
        let ended = table.on_block(UserId::new(4), UserId::new(2));
        assert_eq!((ended.len(), &ended[0].to[..], ended[0].is_typing), (1, &[UserId::new(4)][..], false));
        assert!(table.on_block(UserId::new(4), UserId::new(2)).is_empty(), "the stop is relayed once");
        assert_eq!(table.expire(start + TIMEOUT)[0].to, [UserId::new(3)]);
    }

    #[test]
    fn only_the_socket_that_set_a_typing_mark_ends_it() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        table.on_event(event(true), start);
        let typist = UserId::new(2);
        assert!(table.on_disconnect(typist, SessionId::new(NonZeroU64::MAX)).is_empty());
        assert_eq!(table.on_disconnect(typist, SESSION).len(), 1);
        assert!(table.by_user.is_empty() && table.marks.is_empty());
        table.on_event(TypingEvent { session: None, ..event(true) }, start);
        assert!(table.on_disconnect(typist, SESSION).is_empty(), "over REST only the time-out clears it");
    }
}
