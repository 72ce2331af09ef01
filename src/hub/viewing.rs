//! Viewing: which user looks at which conversation. Pure; the time is an argument.
//!
//! A user views a conversation while one of their sockets does, or while a mark set over REST
//! holds. Other users are sent the beginning and the end. A user who was sent the beginning is also
//! sent the end.

use crate::ids::{ConversationId, SessionId, UserId};
use crate::wire::ViewingEvent;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// How long a mark over REST holds unless it is repeated.
const HOLD: Duration = Duration::from_secs(60);

/// Maximum number of conversations that one socket, or one user over REST, views. With one more,
/// the mark that was set or repeated longest ago ends.
const MAX_MARKS: usize = 16;

/// The source of a viewing mark: a socket, or REST when there is none.
type ViewerKey = (UserId, Option<SessionId>);

/// The marks that are set now.
#[derive(Debug, Default)]
pub struct ViewingTable {
    /// The marks of each source in the order in which they were set; no list is empty.
    marks: BTreeMap<ViewerKey, Vec<ConversationId>>,
    /// Expiry times of marks over REST. The entry of a mark that ended earlier stays until then.
    until: HashMap<(UserId, ConversationId), Instant>,
    /// Each viewed conversation and its viewer, with the users who were sent it.
    notified: BTreeMap<(ConversationId, UserId), BTreeSet<UserId>>,
}

impl ViewingTable {
    /// Handles an event. Returns the events to relay now.
    pub fn on_event(&mut self, event: ViewingEvent, now: Instant) -> Vec<ViewingEvent> {
        let ViewingEvent { conversation_id, user_id, is_viewing, to, session } = event;
        let viewer = (user_id, session);
        if !is_viewing {
            return self.end(viewer, conversation_id).into_iter().collect();
        }
        let marks = self.marks.entry(viewer).or_default();
        marks.retain(|id| *id != conversation_id);
        marks.push(conversation_id);
        let oldest = (marks.len() > MAX_MARKS).then(|| marks[0]);
        if session.is_none() {
            self.until.insert((user_id, conversation_id), now + HOLD);
        }
        let notified = self.notified.entry((conversation_id, user_id)).or_default();
        let to: Vec<UserId> = to.into_iter().filter(|reader| notified.insert(*reader)).collect();
        let news = (!to.is_empty()).then_some(ViewingEvent { conversation_id, user_id, is_viewing, to, session });
        news.into_iter().chain(oldest.and_then(|oldest| self.end(viewer, oldest))).collect()
    }

    /// Returns the users who already view the conversation and whom the newcomer may notice. The
    /// newcomer counts as notified of them.
    pub fn snapshot(&mut self, newcomer: &ViewingEvent) -> Vec<UserId> {
        let is_there = |user_id: &UserId| {
            let notified = self.notified.get_mut(&(newcomer.conversation_id, *user_id));
            notified.map(|notified| notified.insert(newcomer.user_id)).is_some()
        };
        newcomer.to.iter().copied().filter(is_there).collect()
    }

    /// Removes the marks of a closed socket. Returns the events to relay.
    pub fn on_disconnect(&mut self, user_id: UserId, session_id: SessionId) -> Vec<ViewingEvent> {
        let marks = self.marks.remove(&(user_id, Some(session_id))).unwrap_or_default();
        marks.into_iter().filter_map(|id| self.end_unless_looking(id, user_id)).collect()
    }

    /// Removes the marks over REST that were not repeated. Returns the events to relay.
    pub fn expire(&mut self, now: Instant) -> Vec<ViewingEvent> {
        let over: Vec<_> = self.until.extract_if(|_, until| *until <= now).collect();
        over.into_iter().filter_map(|((user_id, id), _)| self.end((user_id, None), id)).collect()
    }

    /// Removes a user who left the conversation. Returns the event about the user's own viewing.
    /// The user gets no events about the viewing of others.
    pub fn on_leave(&mut self, conversation_id: ConversationId, user_id: UserId) -> Option<ViewingEvent> {
        let everybody = (conversation_id, UserId::new(0))..=(conversation_id, UserId::new(i64::MAX));
        for (_, notified) in self.notified.range_mut(everybody) {
            notified.remove(&user_id);
        }
        let viewers: Vec<ViewerKey> = self.marks_of(user_id).map(|(viewer, _)| *viewer).collect();
        viewers.into_iter().find_map(|viewer| self.end(viewer, conversation_id))
    }

    /// Handles two users who may no longer notice each other. Returns the events about the viewing
    /// that they were sent. For other users it continues.
    pub fn on_block(&mut self, one: UserId, other: UserId) -> Vec<ViewingEvent> {
        let mut ended = Vec::new();
        for (user_id, reader) in [(one, other), (other, one)] {
            let seen: BTreeSet<ConversationId> = self.marks_of(user_id).flat_map(|(_, marks)| marks).copied().collect();
            for conversation_id in seen {
                let notified = self.notified.get_mut(&(conversation_id, user_id));
                if notified.is_some_and(|notified| notified.remove(&reader)) {
                    ended.push(stopped(conversation_id, user_id, vec![reader]));
                }
            }
        }
        ended
    }

    fn marks_of(&self, user_id: UserId) -> impl Iterator<Item = (&ViewerKey, &Vec<ConversationId>)> {
        self.marks.range((user_id, None)..=(user_id, Some(SessionId::new(NonZeroU64::MAX))))
    }

    fn end(&mut self, viewer: ViewerKey, conversation_id: ConversationId) -> Option<ViewingEvent> {
        let marks = self.marks.get_mut(&viewer)?;
        marks.retain(|id| *id != conversation_id);
        if marks.is_empty() {
            self.marks.remove(&viewer);
        }
        self.end_unless_looking(conversation_id, viewer.0)
    }

    fn end_unless_looking(&mut self, conversation_id: ConversationId, user_id: UserId) -> Option<ViewingEvent> {
        if self.marks_of(user_id).any(|(_, marks)| marks.contains(&conversation_id)) {
            return None;
        }
        let notified = self.notified.remove(&(conversation_id, user_id))?;
        (!notified.is_empty()).then(|| stopped(conversation_id, user_id, notified.into_iter().collect()))
    }
}

fn stopped(conversation_id: ConversationId, user_id: UserId, to: Vec<UserId>) -> ViewingEvent {
    ViewingEvent { conversation_id, user_id, is_viewing: false, to, session: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANN: i64 = 2;
    const BOB: i64 = 3;
    const CAT: i64 = 4;
    const HERE: i64 = 1;

    fn session(number: u64) -> SessionId {
        SessionId::new(NonZeroU64::new(number).unwrap())
    }

    fn looks(user: i64, at: i64, with: Option<u64>) -> ViewingEvent {
        let others = [ANN, BOB, CAT].into_iter().filter(|other| *other != user);
        ViewingEvent {
            conversation_id: ConversationId::new(at),
            user_id: UserId::new(user),
            is_viewing: true,
            to: others.map(UserId::new).collect(),
            session: with.map(session),
        }
    }

    fn stops(user: i64, at: i64, with: Option<u64>) -> ViewingEvent {
        ViewingEvent { is_viewing: false, to: Vec::new(), ..looks(user, at, with) }
    }

    /// Lists each event as the viewer, whether they view, and the recipients.
    fn said(events: impl IntoIterator<Item = ViewingEvent>) -> Vec<(i64, bool, Vec<i64>)> {
        let plain = |event: ViewingEvent| {
            (event.user_id.get(), event.is_viewing, event.to.into_iter().map(UserId::get).collect())
        };
        events.into_iter().map(plain).collect()
    }

    #[test]
    fn a_user_views_until_their_last_socket_stops() {
        let (mut table, now) = (ViewingTable::default(), Instant::now());
        assert_eq!(said(table.on_event(looks(ANN, HERE, Some(1)), now)), [(ANN, true, vec![BOB, CAT])]);
        assert!(table.on_event(looks(ANN, HERE, Some(2)), now).is_empty());
        assert!(table.on_event(looks(ANN, HERE, Some(1)), now).is_empty());
        assert!(table.on_event(stops(ANN, HERE, Some(1)), now).is_empty());
        assert!(table.on_event(stops(ANN, 9, Some(2)), now).is_empty(), "another conversation");
        assert_eq!(said(table.on_event(stops(ANN, HERE, Some(2)), now)), [(ANN, false, vec![BOB, CAT])]);
        assert!(table.on_event(stops(ANN, HERE, Some(2)), now).is_empty(), "the stop is relayed once");
    }

    #[test]
    fn a_disconnect_ends_only_the_marks_of_that_socket() {
        let (mut table, now) = (ViewingTable::default(), Instant::now());
        for at in [HERE, 9] {
            table.on_event(looks(ANN, at, Some(1)), now);
        }
        table.on_event(looks(ANN, 9, Some(2)), now);
        table.on_event(looks(BOB, HERE, Some(3)), now);
        assert_eq!(said(table.on_disconnect(UserId::new(ANN), session(1))), [(ANN, false, vec![BOB, CAT])]);
        assert!(table.on_disconnect(UserId::new(ANN), session(1)).is_empty());
        assert_eq!(said(table.on_disconnect(UserId::new(ANN), session(2))).len(), 1);
    }

    #[test]
    fn a_rest_mark_lasts_a_minute_after_its_last_repeat() {
        let (mut table, start) = (ViewingTable::default(), Instant::now());
        assert_eq!(table.on_event(looks(ANN, HERE, None), start).len(), 1);
        assert!(table.on_event(looks(ANN, HERE, None), start + HOLD / 2).is_empty());
        assert!(table.expire(start + HOLD).is_empty());
        assert_eq!(said(table.expire(start + HOLD * 3 / 2)), [(ANN, false, vec![BOB, CAT])]);
        table.on_event(looks(ANN, HERE, None), start);
        table.on_event(looks(ANN, HERE, Some(1)), start);
        assert!(table.expire(start + HOLD).is_empty(), "the socket is still viewing");
        assert_eq!(table.on_event(stops(ANN, HERE, Some(1)), start).len(), 1);
        table.on_event(looks(ANN, HERE, None), start);
        assert_eq!(table.on_event(stops(ANN, HERE, None), start).len(), 1);
        assert!(table.expire(start + HOLD * 9).is_empty());
    }

    #[test]
    fn the_oldest_mark_ends_when_the_limit_is_exceeded() {
        let (mut table, now) = (ViewingTable::default(), Instant::now());
        let most = MAX_MARKS as i64;
        for at in 1..=most {
            assert_eq!(table.on_event(looks(ANN, at, Some(1)), now).len(), 1);
        }
        table.on_event(looks(ANN, 1, Some(1)), now);
        assert_eq!(table.on_event(looks(ANN, 1, Some(2)), now).len(), 0, "each socket counts separately");
        let relayed = table.on_event(looks(ANN, most + 1, Some(1)), now);
        assert_eq!(
            relayed.iter().map(|event| (event.conversation_id.get(), event.is_viewing)).collect::<Vec<_>>(),
            [(most + 1, true), (2, false)],
            "the first was repeated"
        );
    }

    #[test]
    fn a_new_viewer_sees_current_viewers_and_their_stops() {
        let (mut table, now) = (ViewingTable::default(), Instant::now());
        let ann = ViewingEvent { to: vec![UserId::new(BOB)], ..looks(ANN, HERE, Some(1)) };
        table.on_event(ann, now);
        table.on_event(looks(BOB, 9, Some(2)), now);
        assert_eq!(table.snapshot(&looks(CAT, HERE, Some(3))), [UserId::new(ANN)]);
        let hidden = ViewingEvent { to: vec![UserId::new(BOB)], ..looks(CAT, HERE, Some(3)) };
        assert!(table.snapshot(&hidden).is_empty(), "invisible viewers are left out");
        assert_eq!(said(table.on_event(stops(ANN, HERE, Some(1)), now)), [(ANN, false, vec![BOB, CAT])]);
    }

    #[test]
    fn leaving_ends_all_marks_of_a_user_and_hides_others() {
        let (mut table, now) = (ViewingTable::default(), Instant::now());
        table.on_event(looks(ANN, HERE, Some(1)), now);
        table.on_event(looks(ANN, HERE, Some(2)), now);
        table.on_event(looks(BOB, HERE, None), now);
        assert!(table.on_leave(ConversationId::new(9), UserId::new(ANN)).is_none(), "another conversation");
        assert_eq!(said(table.on_leave(ConversationId::new(HERE), UserId::new(ANN))), [(ANN, false, vec![BOB, CAT])]);
        assert_eq!(said(table.expire(now + HOLD)), [(BOB, false, vec![CAT])]);
        assert!(table.on_disconnect(UserId::new(ANN), session(1)).is_empty());
    }

    #[test]
    fn a_block_ends_viewing_marks_between_the_two_users_only() {
        let (mut table, now) = (ViewingTable::default(), Instant::now());
        for (user, with) in [(ANN, 1), (ANN, 2), (BOB, 3), (CAT, 4)] {
            table.on_event(looks(user, HERE, Some(with)), now);
        }
        let ended = table.on_block(UserId::new(BOB), UserId::new(ANN));
        assert_eq!(said(ended), [(BOB, false, vec![ANN]), (ANN, false, vec![BOB])]);
        assert!(table.on_block(UserId::new(ANN), UserId::new(BOB)).is_empty(), "the stop is relayed once");
        let apart = ViewingEvent { to: vec![UserId::new(CAT)], ..looks(ANN, HERE, Some(1)) };
        assert!(table.on_event(apart, now).is_empty());
        assert_eq!(
            said(table.on_event(looks(ANN, HERE, Some(1)), now)),
            [(ANN, true, vec![BOB])],
            "when they are again"
        );
    }

    #[derive(Clone, Debug)]
    enum Step {
        Event { user: i64, at: i64, with: Option<u64>, is_viewing: bool },
        Gone { user: i64, with: u64 },
        Left { user: i64, at: i64 },
        Expire,
    }

    fn step() -> impl Strategy<Value = Step> {
        let event = (ANN..=CAT, 1..20i64, proptest::option::of(1..3u64), any::<bool>());
        prop_oneof![
            8 => event.prop_map(|(user, at, with, is_viewing)| Step::Event { user, at, with, is_viewing }),
            1 => (ANN..=CAT, 1..3u64).prop_map(|(user, with)| Step::Gone { user, with }),
            1 => (ANN..=CAT, 1..20i64).prop_map(|(user, at)| Step::Left { user, at }),
            1 => Just(Step::Expire),
        ]
    }

    proptest! {
        /// Beginnings and ends alternate, and nothing remains when all users have left.
        #[test]
        fn each_viewing_start_is_followed_by_exactly_one_stop(
            steps in proptest::collection::vec(step(), 0..200),
        ) {
            let (mut table, now) = (ViewingTable::default(), Instant::now());
            let mut seen = BTreeSet::new();
            let last = (ANN..=CAT).flat_map(|user| (1..3).map(move |with| Step::Gone { user, with }));
            for step in steps.into_iter().chain(last).chain([Step::Expire]) {
                let relayed = match step {
                    Step::Event { user, at, with, is_viewing: true } => table.on_event(looks(user, at, with), now),
                    Step::Event { user, at, with, .. } => table.on_event(stops(user, at, with), now),
                    Step::Gone { user, with } => table.on_disconnect(UserId::new(user), session(with)),
                    Step::Left { user, at } => {
                        seen.retain(|(id, _, reader)| (*id, *reader) != (ConversationId::new(at), UserId::new(user)));
                        table.on_leave(ConversationId::new(at), UserId::new(user)).into_iter().collect()
                    }
                    Step::Expire => table.expire(now + HOLD),
                };
                for event in relayed {
                    for reader in event.to {
                        let key = (event.conversation_id, event.user_id, reader);
                        let is_news = if event.is_viewing { seen.insert(key) } else { seen.remove(&key) };
                        prop_assert!(is_news, "{key:?} {}", event.is_viewing);
                    }
                }
                prop_assert!(table.marks.values().all(|marks| (1..=MAX_MARKS).contains(&marks.len())));
            }
            prop_assert!(seen.is_empty() && table.marks.is_empty() && table.notified.is_empty() && table.until.is_empty());
        }
    }
}
