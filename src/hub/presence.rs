//! Presence: which users count as online. Pure; the time is an argument.
//!
//! A user is online while they have a session on this node, and for a grace after the last one
//! ends. A reload or a short network loss is therefore not announced.

use crate::ids::UserId;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

/// A presence change to announce to other users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    pub user_id: UserId,
    pub is_online: bool,
}

/// Presence of the users of this node.
#[derive(Debug)]
pub struct Presence {
    grace: Duration,
    here: HashSet<UserId>,
    /// Users without a session but within their grace, with the time it ends.
    leaving: HashMap<UserId, Instant>,
    /// Users whom others believe to be online.
    announced: HashSet<UserId>,
    /// Users who were shown online to a viewer before the announcement.
    shown: HashSet<UserId>,
    /// Users whose state may differ from the announced one.
    changed: BTreeSet<UserId>,
    /// Users with a transition that was taken but is not settled yet: one for each user.
    under_way: HashMap<UserId, Before>,
}

/// The announced state before a transition, restored when the transition reaches no user.
#[derive(Debug)]
struct Before {
    was_announced: bool,
    was_shown: bool,
    /// A viewer was shown the user online since the transition was taken or sent.
    is_shown_since: bool,
}

impl Presence {
    pub fn new(grace: Duration) -> Self {
        Self {
            grace,
            here: HashSet::new(),
            leaving: HashMap::new(),
            announced: HashSet::new(),
            shown: HashSet::new(),
            changed: BTreeSet::new(),
            under_way: HashMap::new(),
        }
    }

    /// Records that the user has a session now.
    pub fn on_connect(&mut self, user_id: UserId) {
        self.leaving.remove(&user_id);
        if self.here.insert(user_id) {
            self.changed.insert(user_id);
        }
    }

    /// Records that the user's last session ended.
    pub fn on_disconnect(&mut self, user_id: UserId, now: Instant) {
        if self.here.remove(&user_id) {
            self.leaving.insert(user_id, now + self.grace);
        }
    }

    /// Ends the graces that are over.
    pub fn expire(&mut self, now: Instant) {
        let changed = &mut self.changed;
        self.leaving.retain(|user_id, until| {
            let is_over = *until <= now;
            if is_over {
                changed.insert(*user_id);
            }
            !is_over
        });
    }

    pub fn is_online(&self, user_id: UserId) -> bool {
        self.here.contains(&user_id) || self.leaving.contains_key(&user_id)
    }

    /// Returns `is_online` for a viewer who is about to be sent it. A user who was shown online is
    /// announced when they go offline, even if their arrival never was.
    pub fn show(&mut self, user_id: UserId) -> bool {
        let is_online = self.is_online(user_id);
        if is_online {
            match self.under_way.get_mut(&user_id) {
                Some(before) => before.is_shown_since = true,
                None if !self.announced.contains(&user_id) => {
                    self.shown.insert(user_id);
                }
                None => {}
            }
        }
        is_online
    }

    /// Takes the next change to announce. It counts as announced from here on, and must be settled.
    /// It carries the user's latest state, however often the user came and went. The user's next
    /// transition waits until this one is settled, so none is sent twice or out of order.
    pub fn next_transition(&mut self) -> Option<Transition> {
        while let Some(user_id) = self.changed.iter().find(|id| !self.under_way.contains_key(id)).copied() {
            self.changed.remove(&user_id);
            let is_online = self.is_online(user_id);
            let was_shown = self.shown.remove(&user_id);
            let was_announced = match is_online {
                true => !self.announced.insert(user_id),
                false => self.announced.remove(&user_id),
            };
            let is_news = if is_online { !was_announced } else { was_announced || was_shown };
            if is_news {
                self.under_way.insert(user_id, Before { was_announced, was_shown, is_shown_since: false });
                return Some(Transition { user_id, is_online });
            }
        }
        None
    }

    /// Records that the announcement of a transition is delivered now. It also reaches the viewers
    /// who were shown the user since it was taken.
    pub fn on_delivery(&mut self, user_id: UserId) {
        if let Some(before) = self.under_way.get_mut(&user_id) {
            before.is_shown_since = false;
        }
    }

    /// Ends the announcement of a transition. One that reached no user is due again, unless the
    /// user's state went back meanwhile.
    pub fn settle(&mut self, Transition { user_id, is_online }: Transition, is_delivered: bool) {
        let Some(before) = self.under_way.remove(&user_id) else { return };
        let is_announced = if is_delivered { is_online } else { before.was_announced };
        let is_shown = before.is_shown_since || (!is_delivered && before.was_shown);
        if is_announced {
            self.announced.insert(user_id);
        } else {
            self.announced.remove(&user_id);
        }
        if is_shown && !is_announced {
            self.shown.insert(user_id);
        }
        if !is_delivered {
            self.changed.insert(user_id);
        }
    }

    /// Returns the users who are online, or who left and are not announced yet: their last-seen
    /// time is not stored yet.
    pub fn not_written_down(&self) -> Vec<UserId> {
        let users = self.here.iter().chain(self.leaving.keys()).chain(&self.changed).chain(self.under_way.keys());
        users.copied().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GRACE: Duration = Duration::from_secs(3);
    const ANN: UserId = UserId::new(1);

    /// Takes all transitions that are due, each sent to all users.
    fn transitions(presence: &mut Presence) -> Vec<Transition> {
        let mut due = Vec::new();
        while let Some(transition) = presence.next_transition() {
            presence.settle(transition, true);
            due.push(transition);
        }
        due
    }

    fn fail(presence: &mut Presence) -> Transition {
        let transition = presence.next_transition().unwrap();
        presence.settle(transition, false);
        transition
    }

    #[test]
    fn an_absence_shorter_than_the_grace_is_not_announced() {
        let (mut presence, start) = (Presence::new(GRACE), Instant::now());
        presence.on_connect(ANN);
        assert_eq!(transitions(&mut presence), [Transition { user_id: ANN, is_online: true }]);
        presence.on_disconnect(ANN, start);
        presence.expire(start + GRACE - Duration::from_millis(1));
        assert!(presence.is_online(ANN));
        presence.on_connect(ANN);
        presence.expire(start + GRACE * 2);
        assert_eq!(transitions(&mut presence), []);
    }

    #[test]
    fn a_longer_absence_is_announced_once_when_the_grace_ends() {
        let (mut presence, start) = (Presence::new(GRACE), Instant::now());
        presence.on_connect(ANN);
        transitions(&mut presence);
        presence.on_disconnect(ANN, start);
        presence.expire(start + GRACE);
        assert!(!presence.is_online(ANN));
        assert_eq!(transitions(&mut presence), [Transition { user_id: ANN, is_online: false }]);
        presence.expire(start + GRACE * 2);
        assert_eq!(transitions(&mut presence), []);
    }

    #[test]
    fn a_failed_announcement_is_retried_unless_the_state_reverted() {
        let (mut presence, start) = (Presence::new(GRACE), Instant::now());
        presence.on_connect(ANN);
        fail(&mut presence);
        assert_eq!(transitions(&mut presence), [Transition { user_id: ANN, is_online: true }]);
        presence.on_disconnect(ANN, start);
        presence.expire(start + GRACE);
        fail(&mut presence);
        presence.on_connect(ANN);
        assert_eq!(transitions(&mut presence), [], "others still believe that Ann is online, and she is");
    }

    #[test]
    fn a_transition_waits_for_the_previous_one_and_is_sent_once() {
        let (mut presence, start) = (Presence::new(GRACE), Instant::now());
        presence.on_connect(ANN);
        let coming = presence.next_transition().unwrap();
        presence.on_disconnect(ANN, start);
        presence.expire(start + GRACE);
        assert_eq!(presence.next_transition(), None, "Ann's arrival is still being announced");
        presence.settle(coming, false);
        assert_eq!(presence.next_transition(), None, "Ann's arrival was not announced");
        presence.on_connect(ANN);
        let coming = presence.next_transition().unwrap();
        presence.on_disconnect(ANN, start);
        presence.expire(start + GRACE);
        presence.settle(coming, true);
        assert_eq!(transitions(&mut presence), [Transition { user_id: ANN, is_online: false }]);
        assert_eq!(transitions(&mut presence), []);
    }

    #[test]
    fn online_or_unannounced_users_are_not_recorded() {
        let (mut presence, start) = (Presence::new(GRACE), Instant::now());
        let [bob, cat, dan] = [2, 3, 4].map(UserId::new);
        [ANN, bob, cat, dan].iter().for_each(|user_id| presence.on_connect(*user_id));
        transitions(&mut presence);
        [bob, cat, dan].iter().for_each(|user_id| presence.on_disconnect(*user_id, start));
        presence.expire(start + GRACE);
        let gone = presence.next_transition().unwrap();
        presence.settle(gone, true);
        presence.next_transition().unwrap();
        assert_eq!((gone.user_id, presence.not_written_down()), (bob, vec![ANN, cat, dan]));
    }

    #[test]
    fn a_user_shown_online_early_is_announced_as_offline() {
        let (mut presence, start) = (Presence::new(Duration::ZERO), Instant::now());
        presence.on_connect(ANN);
        assert!(presence.show(ANN));
        presence.on_disconnect(ANN, start);
        presence.expire(start);
        assert_eq!(transitions(&mut presence), [Transition { user_id: ANN, is_online: false }]);
        presence.on_connect(ANN);
        presence.on_disconnect(ANN, start);
        presence.expire(start);
        assert_eq!(transitions(&mut presence), [], "this visit was not announced");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arrive(i64),
        Leave(i64),
        Wait(u64),
        /// Takes one more transition.
        Take,
        /// Settles the oldest transition taken, as sent to all users or to none.
        Settle(bool),
        /// Shows one viewer the user ahead of the announcements.
        Show(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..4i64).prop_map(Step::Arrive),
            (1..4i64).prop_map(Step::Leave),
            (0..4000u64).prop_map(Step::Wait),
            Just(Step::Take),
            any::<bool>().prop_map(Step::Settle),
            (1..4i64).prop_map(Step::Show),
        ]
    }

    /// Model of the state that all users believe, and of a viewer who was shown users besides.
    #[derive(Default)]
    struct Beliefs {
        all: HashSet<UserId>,
        one: HashSet<UserId>,
    }

    impl Beliefs {
        /// Applies a transition. Returns whether it was news to a viewer.
        fn hear(&mut self, Transition { user_id, is_online }: Transition) -> bool {
            let was_known = [&self.all, &self.one].iter().all(|online| online.contains(&user_id) == is_online);
            for online in [&mut self.all, &mut self.one] {
                if is_online {
                    online.insert(user_id)
                } else {
                    online.remove(&user_id)
                };
            }
            !was_known
        }
    }

    proptest! {
        /// After any sequence of steps, the believed state finally equals the real state.
        #[test]
        fn no_event_sequence_leaves_a_wrong_presence_state(steps in proptest::collection::vec(step(), 0..80)) {
            let (mut presence, mut now) = (Presence::new(GRACE), Instant::now());
            let mut here = HashSet::new();
            let mut beliefs = Beliefs::default();
            let mut taken = std::collections::VecDeque::new();
            for step in steps {
                match step {
                    Step::Arrive(user) => { presence.on_connect(UserId::new(user)); here.insert(UserId::new(user)); }
                    Step::Leave(user) => { presence.on_disconnect(UserId::new(user), now); here.remove(&UserId::new(user)); }
                    Step::Wait(millis) => { now += Duration::from_millis(millis); presence.expire(now); }
                    Step::Take => taken.extend(presence.next_transition()),
                    Step::Settle(is_delivered) => if let Some(transition) = taken.pop_front() {
                        if is_delivered {
                            prop_assert!(beliefs.hear(transition), "{transition:?} is announced twice");
                            presence.on_delivery(transition.user_id);
                        }
                        presence.settle(transition, is_delivered);
                    },
                    Step::Show(user) => if presence.show(UserId::new(user)) {
                        beliefs.one.insert(UserId::new(user));
                    },
                }
            }
            presence.expire(now + GRACE);
            for transition in taken {
                beliefs.hear(transition);
                presence.on_delivery(transition.user_id);
                presence.settle(transition, true);
            }
            for transition in transitions(&mut presence) {
                prop_assert!(beliefs.hear(transition), "{transition:?} is announced twice");
            }
            prop_assert_eq!(&beliefs.all, &here);
            prop_assert_eq!(&beliefs.one, &here);
        }
    }
}
