//! Who counts as online: pure, time is an argument.
//!
//! A user is online while a session is here, and for a grace after the last
//! one went, so that a reload or a lost network for a moment is not news.

use crate::ids::UserId;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

/// A change that others should hear of.
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
    /// Without a session, but within their grace, until the instant.
    leaving: HashMap<UserId, Instant>,
    /// Whom others believe to be online.
    announced: HashSet<UserId>,
    /// Whom somebody was shown online ahead of the announcement.
    shown: HashSet<UserId>,
    /// Whose state may differ from what was announced.
    changed: BTreeSet<UserId>,
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
        }
    }

    /// The user has a session now.
    pub fn arrived(&mut self, user_id: UserId) {
        self.leaving.remove(&user_id);
        if self.here.insert(user_id) {
            self.changed.insert(user_id);
        }
    }

    /// The user's last session went.
    pub fn left(&mut self, user_id: UserId, now: Instant) {
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

    /// `is_online` for whoever is told now. Who was shown online is announced
    /// when they go, even if they go before their coming was.
    pub fn show(&mut self, user_id: UserId) -> bool {
        let is_online = self.is_online(user_id);
        if is_online && !self.announced.contains(&user_id) {
            self.shown.insert(user_id);
        }
        is_online
    }

    /// The next change to announce; it counts as announced from here on.
    /// However often a user came and went since, it is their latest state.
    pub fn next_transition(&mut self) -> Option<Transition> {
        while let Some(user_id) = self.changed.pop_first() {
            let is_online = self.is_online(user_id);
            let was_shown = self.shown.remove(&user_id);
            let was_online = match is_online {
                true => !self.announced.insert(user_id),
                false => self.announced.remove(&user_id) || was_shown,
            };
            if is_online != was_online {
                return Some(Transition { user_id, is_online });
            }
        }
        None
    }

    /// The announcement did not reach anybody.
    pub fn reannounce(&mut self, user_id: UserId) {
        if !self.announced.remove(&user_id) {
            self.announced.insert(user_id);
        }
        self.changed.insert(user_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GRACE: Duration = Duration::from_secs(3);
    const ANN: UserId = UserId::new(1);

    fn transitions(presence: &mut Presence) -> Vec<Transition> {
        std::iter::from_fn(|| presence.next_transition()).collect()
    }

    #[test]
    fn an_absence_shorter_than_the_grace_is_not_announced() {
        let (mut presence, start) = (Presence::new(GRACE), Instant::now());
        presence.arrived(ANN);
        assert_eq!(transitions(&mut presence), [Transition { user_id: ANN, is_online: true }]);
        presence.left(ANN, start);
        presence.expire(start + GRACE - Duration::from_millis(1));
        assert!(presence.is_online(ANN));
        presence.arrived(ANN);
        presence.expire(start + GRACE * 2);
        assert_eq!(transitions(&mut presence), []);
    }

    #[test]
    fn a_longer_absence_is_announced_once_when_the_grace_ends() {
        let (mut presence, start) = (Presence::new(GRACE), Instant::now());
        presence.arrived(ANN);
        transitions(&mut presence);
        presence.left(ANN, start);
        presence.expire(start + GRACE);
        assert!(!presence.is_online(ANN));
        assert_eq!(transitions(&mut presence), [Transition { user_id: ANN, is_online: false }]);
        presence.expire(start + GRACE * 2);
        assert_eq!(transitions(&mut presence), []);
    }

    #[test]
    fn a_failed_announcement_is_due_again_unless_the_state_went_back() {
        let (mut presence, start) = (Presence::new(GRACE), Instant::now());
        presence.arrived(ANN);
        transitions(&mut presence);
        presence.reannounce(ANN);
        assert_eq!(transitions(&mut presence), [Transition { user_id: ANN, is_online: true }]);
        presence.left(ANN, start);
        presence.expire(start + GRACE);
        transitions(&mut presence);
        presence.reannounce(ANN);
        presence.arrived(ANN);
        assert_eq!(transitions(&mut presence), [], "others still believe that Ann is online, and she is");
    }

    #[test]
    fn who_was_shown_online_before_the_announcement_is_announced_when_they_go() {
        let (mut presence, start) = (Presence::new(Duration::ZERO), Instant::now());
        presence.arrived(ANN);
        assert!(presence.show(ANN));
        presence.left(ANN, start);
        presence.expire(start);
        assert_eq!(transitions(&mut presence), [Transition { user_id: ANN, is_online: false }]);
        presence.arrived(ANN);
        presence.left(ANN, start);
        presence.expire(start);
        assert_eq!(transitions(&mut presence), [], "nobody was shown this visit");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arrive(i64),
        Leave(i64),
        Wait(u64),
        Announce,
        Fail,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..4i64).prop_map(Step::Arrive),
            (1..4i64).prop_map(Step::Leave),
            (0..4000u64).prop_map(Step::Wait),
            Just(Step::Announce),
            Just(Step::Fail),
        ]
    }

    proptest! {
        /// Whatever happened, what others believe is in the end what is.
        #[test]
        fn no_sequence_leaves_a_ghost(steps in proptest::collection::vec(step(), 0..60)) {
            let (mut presence, mut now) = (Presence::new(GRACE), Instant::now());
            let mut here = HashSet::new();
            let mut believed = HashSet::new();
            for step in steps {
                match step {
                    Step::Arrive(user) => { presence.arrived(UserId::new(user)); here.insert(UserId::new(user)); }
                    Step::Leave(user) => { presence.left(UserId::new(user), now); here.remove(&UserId::new(user)); }
                    Step::Wait(millis) => { now += Duration::from_millis(millis); presence.expire(now); }
                    Step::Announce => for transition in transitions(&mut presence) {
                        prop_assert_eq!(believed.contains(&transition.user_id), !transition.is_online);
                        if transition.is_online { believed.insert(transition.user_id); } else { believed.remove(&transition.user_id); }
                    },
                    Step::Fail => if let Some(transition) = presence.next_transition() {
                        presence.reannounce(transition.user_id);
                    },
                }
            }
            presence.expire(now + GRACE);
            for transition in transitions(&mut presence) {
                if transition.is_online { believed.insert(transition.user_id); } else { believed.remove(&transition.user_id); }
            }
            prop_assert_eq!(believed, here);
        }
    }
}
