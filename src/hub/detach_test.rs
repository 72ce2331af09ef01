//! Tests of the cost when very many sockets close at once.

use super::presence::Presence;
use super::registry::Registry;
use super::typing::TypingTable;
use super::unread::UnreadTable;
use super::viewing::ViewingTable;
use crate::ids::{ConversationId, LoginId, SessionId, UserId};
use crate::wire::{TypingEvent, UnreadChange, ViewingEvent};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

const GRACE: Duration = Duration::from_secs(3);

/// Detaches many sockets and returns the time it takes. Each user has one socket, types and views
/// in their own conversation, and waits for unread counts.
fn detach_all(sockets: i64) -> Duration {
    let (mut registry, mut presence) = (Registry::default(), Presence::new(GRACE));
    let (mut typing, mut viewing, mut unread) =
        (TypingTable::new(GRACE), ViewingTable::default(), UnreadTable::default());
    let now = Instant::now();
    let session = |user: i64| SessionId::new(NonZeroU64::new(user as u64).unwrap());
    for user in 1..=sockets {
        let (conversation_id, user_id) = (ConversationId::new(user), UserId::new(user));
        let (to, session) = (vec![UserId::new(sockets + user)], Some(session(user)));
        registry.attach(session.unwrap(), user_id, Some(LoginId::new(user)), ());
        presence.on_connect(user_id);
        unread.changed((user_id, || true), conversation_id, &UnreadChange::Unknown, (1, now));
        let types =
            TypingEvent { conversation_id, user_id, recipient_id: None, is_typing: true, to: to.clone(), session };
        typing.on_event(types, now);
        viewing.on_event(ViewingEvent { conversation_id, user_id, is_viewing: true, to, session }, now);
    }
    let began = Instant::now();
    // The newest sockets detach first.
    for user in (1..=sockets).rev() {
        let detached = registry.detach(session(user)).unwrap();
        presence.on_disconnect(detached.user_id, now);
        unread.on_disconnect(detached.user_id, now);
        assert_eq!(typing.on_disconnect(detached.user_id, session(user)).len(), 1);
        assert_eq!(viewing.on_disconnect(detached.user_id, session(user)).len(), 1);
    }
    began.elapsed()
}

/// Returns the fastest of several runs, so that other load on the machine matters little.
fn fastest(sockets: i64) -> Duration {
    (0..5).map(|_| detach_all(sockets)).min().unwrap()
}

#[test]
fn the_cost_of_a_detach_is_independent_of_other_marks() {
    let (few, many) = (fastest(2_000), fastest(20_000));
    // Ten times the sockets cost about ten times as much. If each detach walked all marks, they
    // would cost a hundred times as much.
    assert!(many < few * 40, "2,000 sockets in {few:?}, 20,000 in {many:?}");
}
