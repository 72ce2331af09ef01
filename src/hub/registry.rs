//! Registry: a pure index of the sessions of each user, with a check of itself.

use crate::ids::{LoginId, SessionId, UserId};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU64;
use std::ops::Bound;

/// Counts of the connections on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    pub connections: usize,
    pub authenticated_users: usize,
    /// Sessions cut off because they did not accept what was delivered.
    pub evicted: u64,
}

/// Sessions by id, by user and by login. `S` is the address of a session.
///
/// Most users have one session, so the memory for each entry matters. Pairs in one set take a
/// quarter of the memory of a set for each user.
#[derive(Debug)]
pub struct Registry<S> {
    sessions: HashMap<SessionId, Entry<S>>,
    by_user: BTreeSet<(UserId, SessionId)>,
    by_login: BTreeSet<(LoginId, SessionId)>,
    users: usize,
}

#[derive(Debug)]
struct Entry<S> {
    user_id: UserId,
    login_id: Option<LoginId>,
    sink: S,
}

/// The owner of a session, and the login it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOwner {
    pub user_id: UserId,
    pub session_id: SessionId,
    /// None for a user whom another system authenticated.
    pub login_id: Option<LoginId>,
}

/// The result of a detach.
#[derive(Debug, PartialEq, Eq)]
pub struct Detached {
    pub user_id: UserId,
    /// The user has no other session on this node.
    pub was_last: bool,
}

impl<S> Default for Registry<S> {
    fn default() -> Self {
        Self { sessions: HashMap::new(), by_user: BTreeSet::new(), by_login: BTreeSet::new(), users: 0 }
    }
}

impl<S> Registry<S> {
    /// Attaches a session. Attaching an id again replaces the previous entry.
    pub fn attach(&mut self, session_id: SessionId, user_id: UserId, login_id: Option<LoginId>, sink: S) {
        self.detach(session_id);
        self.users += usize::from(!self.has(user_id));
        self.sessions.insert(session_id, Entry { user_id, login_id, sink });
        self.by_user.insert((user_id, session_id));
        self.by_login.extend(login_id.map(|login_id| (login_id, session_id)));
    }

    /// Detaches a session. Returns none when the session is not attached.
    pub fn detach(&mut self, session_id: SessionId) -> Option<Detached> {
        let Entry { user_id, login_id, .. } = self.sessions.remove(&session_id)?;
        if let Some(login_id) = login_id {
            self.by_login.remove(&(login_id, session_id));
        }
        self.by_user.remove(&(user_id, session_id));
        let was_last = !self.has(user_id);
        self.users -= usize::from(was_last);
        Some(Detached { user_id, was_last })
    }

    pub fn sink(&self, session_id: SessionId) -> Option<&S> {
        self.sessions.get(&session_id).map(|entry| &entry.sink)
    }

    pub fn has(&self, user_id: UserId) -> bool {
        self.sessions_of(user_id).next().is_some()
    }

    /// Returns the user's sessions, in the order of their ids.
    pub fn sessions_of(&self, user_id: UserId) -> impl Iterator<Item = SessionId> + '_ {
        behind(&self.by_user, user_id)
    }

    pub fn sessions_of_login(&self, login_id: LoginId) -> Vec<SessionId> {
        behind(&self.by_login, login_id).collect()
    }

    /// Returns the next sessions after this one in the order of their users, at most `most`.
    pub fn session_owners(&self, after: Option<SessionOwner>, most: usize) -> Vec<SessionOwner> {
        let after = after.map_or(Bound::Unbounded, |last| Bound::Excluded((last.user_id, last.session_id)));
        let sessions = self.by_user.range((after, Bound::Unbounded)).take(most);
        let login = |session_id| self.sessions.get(session_id).and_then(|entry| entry.login_id);
        sessions.map(|(user_id, id)| SessionOwner { user_id: *user_id, session_id: *id, login_id: login(id) }).collect()
    }

    pub fn all(&self) -> Vec<SessionId> {
        self.sessions.keys().copied().collect()
    }

    pub fn connections(&self) -> usize {
        self.sessions.len()
    }

    pub fn users(&self) -> usize {
        self.users
    }

    /// Checks every index against every other.
    ///
    /// # Panics
    /// When two indexes disagree, which is a bug in this file.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        assert_eq!(self.by_user.len(), self.sessions.len(), "each session belongs to one user");
        let with_login = self.sessions.values().filter(|entry| entry.login_id.is_some()).count();
        assert_eq!(self.by_login.len(), with_login, "each session belongs to one login at most");
        let users: BTreeSet<UserId> = self.by_user.iter().map(|(user_id, _)| *user_id).collect();
        assert_eq!(users.len(), self.users, "each user counts once");
        for (session_id, entry) in &self.sessions {
            assert!(self.by_user.contains(&(entry.user_id, *session_id)));
            assert!(entry.login_id.is_none_or(|login_id| self.by_login.contains(&(login_id, *session_id))));
        }
    }
}

/// Returns the sessions of one key, in the order of their ids.
fn behind<K: Ord + Copy>(index: &BTreeSet<(K, SessionId)>, key: K) -> impl Iterator<Item = SessionId> + use<'_, K> {
    let (first, last) = (SessionId::new(NonZeroU64::MIN), SessionId::new(NonZeroU64::MAX));
    index.range((key, first)..=(key, last)).map(|(_, session_id)| *session_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::num::NonZeroU64;

    fn session(number: u64) -> SessionId {
        SessionId::new(NonZeroU64::new(number).unwrap())
    }

    #[derive(Clone, Debug)]
    enum Step {
        Attach { session: u64, user: i64, login: i64 },
        Detach { session: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..8u64, 1..4i64, 0..5i64).prop_map(|(session, user, login)| Step::Attach { session, user, login }),
            (1..8u64).prop_map(|session| Step::Detach { session }),
        ]
    }

    proptest! {
        /// The model is a plain list that is searched linearly.
        #[test]
        fn the_registry_agrees_with_a_naive_model(steps in proptest::collection::vec(step(), 0..60)) {
            let mut registry = Registry::default();
            let mut model: Vec<(SessionId, UserId, Option<LoginId>)> = Vec::new();
            for step in steps {
                match step {
                    Step::Attach { session: id, user, login } => {
                        // 0 stands for a user whom another system authenticated.
                        let (user, login) = (UserId::new(user), (login > 0).then_some(LoginId::new(login)));
                        registry.attach(session(id), user, login, id);
                        model.retain(|(known, ..)| *known != session(id));
                        model.push((session(id), user, login));
                    }
                    Step::Detach { session: id } => {
                        let known = model.iter().position(|(known, ..)| *known == session(id));
                        let expected = known.map(|at| {
                            let (_, user_id, _) = model.remove(at);
                            Detached { user_id, was_last: !model.iter().any(|(_, user, _)| *user == user_id) }
                        });
                        prop_assert_eq!(registry.detach(session(id)), expected);
                    }
                }
                registry.check_invariants();
                prop_assert_eq!(registry.connections(), model.len());
                prop_assert_eq!(registry.users(), model.iter().map(|row| row.1).collect::<BTreeSet<_>>().len());
                for user in (1..4).map(UserId::new) {
                    let mut expected: Vec<_> = model.iter().filter(|row| row.1 == user).map(|row| row.0).collect();
                    expected.sort_unstable();
                    prop_assert_eq!(registry.sessions_of(user).collect::<Vec<_>>(), expected.clone());
                    prop_assert_eq!(registry.has(user), !expected.is_empty());
                }
                let mut owners: Vec<SessionOwner> = Vec::new();
                loop {
                    let portion = registry.session_owners(owners.last().copied(), 2);
                    if portion.is_empty() {
                        break;
                    }
                    owners.extend(portion);
                }
                let owners = owners.iter().map(|one| (one.session_id, one.user_id, one.login_id)).collect::<Vec<_>>();
                let mut expected = model.clone();
                expected.sort_unstable_by_key(|(session_id, user_id, _)| (*user_id, *session_id));
                prop_assert_eq!(owners, expected);
                for login in (1..5).map(LoginId::new) {
                    let mut expected: Vec<_> = model.iter().filter(|row| row.2 == Some(login)).map(|row| row.0).collect();
                    expected.sort_unstable();
                    prop_assert_eq!(registry.sessions_of_login(login), expected);
                }
            }
        }
    }
}
