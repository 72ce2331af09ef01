//! Who types where: pure, time is an argument.
//!
//! A client repeats "typing" while keys are pressed; the hub passes a repeat
//! on only now and then, and says "stopped" itself when the typist falls
//! silent or their socket goes, whatever state that socket is in.

use crate::ids::{ConversationId, SessionId, UserId};
use crate::wire::TypingEvent;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A repeat is passed on after this part of the time-out, so that whoever
/// came in the meantime sees the mark too, and a flood reaches nobody.
const RELAY_EVERY: u32 = 3;

/// The marks that are set now.
#[derive(Debug)]
pub struct TypingTable {
    timeout: Duration,
    marks: HashMap<(ConversationId, UserId), Mark>,
}

#[derive(Debug)]
struct Mark {
    /// As last heard; `is_typing` is true.
    event: TypingEvent,
    until: Instant,
    relayed_at: Instant,
}

impl TypingTable {
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, marks: HashMap::new() }
    }

    /// What to pass on now, if anything.
    pub fn heard(&mut self, event: TypingEvent, now: Instant) -> Option<TypingEvent> {
        let key = (event.conversation_id, event.user_id);
        if !event.is_typing {
            return self.marks.remove(&key).map(|_| event);
        }
        let until = now + self.timeout;
        let quiet_for = self.timeout / RELAY_EVERY;
        let relayed_at = match self.marks.get(&key) {
            Some(mark) if now < mark.relayed_at + quiet_for => mark.relayed_at,
            _ => now,
        };
        self.marks.insert(key, Mark { event: event.clone(), until, relayed_at });
        (relayed_at == now).then_some(event)
    }

    /// The typist sent the message: clients clear the mark by themselves.
    pub fn sent(&mut self, conversation_id: ConversationId, user_id: UserId) {
        self.marks.remove(&(conversation_id, user_id));
    }

    /// What to say about typists whose socket went.
    pub fn session_gone(&mut self, session_id: SessionId) -> Vec<TypingEvent> {
        self.end(|mark| mark.event.session == Some(session_id))
    }

    /// What to say about typists who fell silent.
    pub fn expire(&mut self, now: Instant) -> Vec<TypingEvent> {
        self.end(|mark| mark.until <= now)
    }

    /// The user is in the conversation no longer: what to say about their own
    /// mark, while nothing is said to them about those of others.
    pub fn left(&mut self, conversation_id: ConversationId, user_id: UserId) -> Vec<TypingEvent> {
        for mark in self.marks.values_mut().filter(|mark| mark.event.conversation_id == conversation_id) {
            mark.event.to.retain(|reader| *reader != user_id);
        }
        self.end(|mark| mark.event.conversation_id == conversation_id && mark.event.user_id == user_id)
    }

    /// The two see each other type no longer: what to say about the marks that
    /// they saw. For others these stand on.
    pub fn parted(&mut self, one: UserId, other: UserId) -> Vec<TypingEvent> {
        let mut ended = Vec::new();
        for Mark { event, .. } in self.marks.values_mut() {
            let reader = match event.user_id {
                typist if typist == one => other,
                typist if typist == other => one,
                _ => continue,
            };
            if event.to.contains(&reader) {
                event.to.retain(|user_id| *user_id != reader);
                ended.push(TypingEvent { is_typing: false, to: vec![reader], ..event.clone() });
            }
        }
        ended
    }

    fn end(&mut self, is_over: impl Fn(&Mark) -> bool) -> Vec<TypingEvent> {
        self.marks
            .extract_if(|_, mark| is_over(mark))
            .map(|(_, mark)| TypingEvent { is_typing: false, ..mark.event })
            .collect()
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
    fn a_silent_typist_is_cleared_once_at_the_time_out() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        assert!(table.heard(event(true), start).is_some());
        assert!(table.expire(start + TIMEOUT - Duration::from_millis(1)).is_empty());
        let ended = table.expire(start + TIMEOUT);
        assert_eq!(ended.len(), 1);
        assert!(!ended[0].is_typing);
        assert!(table.expire(start + TIMEOUT * 2).is_empty());
    }

    #[test]
    fn repeats_keep_the_mark_and_are_passed_on_once_a_second() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        let passed_on = (0..30)
            .filter(|tenth| table.heard(event(true), start + Duration::from_millis(100 * tenth)).is_some())
            .count();
        assert_eq!(passed_on, 3);
        assert!(table.expire(start + Duration::from_millis(2_900) + TIMEOUT - Duration::from_millis(1)).is_empty());
    }

    #[test]
    fn stopping_is_passed_on_only_after_a_start() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        assert!(table.heard(event(false), start).is_none());
        table.heard(event(true), start);
        assert!(table.heard(event(false), start).is_some());
        assert!(table.heard(event(false), start).is_none());
    }

    #[test]
    fn a_message_ends_the_mark_without_a_word() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        table.heard(event(true), start);
        table.sent(ConversationId::new(1), UserId::new(2));
        assert!(table.expire(start + TIMEOUT).is_empty());
        assert!(table.heard(event(true), start).is_some(), "the next start is told at once");
    }

    fn shown_to(readers: [i64; 2]) -> TypingEvent {
        TypingEvent { recipient_id: None, to: readers.map(UserId::new).to_vec(), ..event(true) }
    }

    #[test]
    fn who_leaves_takes_their_mark_along_and_hears_of_no_other() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        table.heard(shown_to([3, 4]), start);
        assert!(table.left(ConversationId::new(9), UserId::new(3)).is_empty(), "another conversation");
        assert!(table.left(ConversationId::new(1), UserId::new(3)).is_empty());
        let ended = table.left(ConversationId::new(1), UserId::new(2));
        assert_eq!(
            ended.iter().map(|event| (event.is_typing, &event.to[..])).collect::<Vec<_>>(),
            [(false, &[UserId::new(4)][..])]
        );
        assert!(table.expire(start + TIMEOUT).is_empty());
    }

    #[test]
    fn of_two_who_part_each_sees_the_others_mark_end_and_for_the_rest_it_stands() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        table.heard(shown_to([3, 4]), start);
        let ended = table.parted(UserId::new(4), UserId::new(2));
        assert_eq!((ended.len(), &ended[0].to[..], ended[0].is_typing), (1, &[UserId::new(4)][..], false));
        assert!(table.parted(UserId::new(4), UserId::new(2)).is_empty(), "it is told once");
        assert_eq!(table.expire(start + TIMEOUT)[0].to, [UserId::new(3)]);
    }

    #[test]
    fn the_mark_goes_with_the_socket_that_set_it_and_with_no_other() {
        let (mut table, start) = (TypingTable::new(TIMEOUT), Instant::now());
        table.heard(event(true), start);
        assert!(table.session_gone(SessionId::new(NonZeroU64::MAX)).is_empty());
        assert_eq!(table.session_gone(SESSION).len(), 1);
        table.heard(TypingEvent { session: None, ..event(true) }, start);
        assert!(table.session_gone(SESSION).is_empty(), "over REST only the time-out clears it");
    }
}
