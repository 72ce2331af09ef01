//! Which user has which sessions: a pure index, with a check of itself.

use crate::ids::{LoginId, SessionId, UserId};
use serde::Serialize;
use std::collections::HashMap;
use std::hash::Hash;

/// How many are connected here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    pub connections: usize,
    pub authenticated_users: usize,
    /// Sessions cut because they did not take what was delivered.
    pub evicted: u64,
    /// The hub is going down.
    pub is_draining: bool,
}

/// Sessions by id, by user and by login. `S` is whatever reaches a session.
///
/// Most people have one session: sorted lists, because a set is larger.
#[derive(Debug)]
pub struct Registry<S> {
    sessions: HashMap<SessionId, Entry<S>>,
    by_user: HashMap<UserId, Vec<SessionId>>,
    by_login: HashMap<LoginId, Vec<SessionId>>,
}

#[derive(Debug)]
struct Entry<S> {
    user_id: UserId,
    login_id: LoginId,
    sink: S,
}

/// What a detach took away.
#[derive(Debug, PartialEq, Eq)]
pub struct Detached {
    pub user_id: UserId,
    /// The user has no other session here.
    pub was_last: bool,
}

impl<S> Default for Registry<S> {
    fn default() -> Self {
        Self { sessions: HashMap::new(), by_user: HashMap::new(), by_login: HashMap::new() }
    }
}

impl<S> Registry<S> {
    /// Attaching an id again replaces what was there.
    pub fn attach(&mut self, session_id: SessionId, user_id: UserId, login_id: LoginId, sink: S) {
        self.detach(session_id);
        self.sessions.insert(session_id, Entry { user_id, login_id, sink });
        add_to(&mut self.by_user, user_id, session_id);
        add_to(&mut self.by_login, login_id, session_id);
    }

    /// None when the session is not (or no longer) here.
    pub fn detach(&mut self, session_id: SessionId) -> Option<Detached> {
        let Entry { user_id, login_id, .. } = self.sessions.remove(&session_id)?;
        remove_from(&mut self.by_login, login_id, session_id);
        let was_last = remove_from(&mut self.by_user, user_id, session_id);
        Some(Detached { user_id, was_last })
    }

    pub fn sink(&self, session_id: SessionId) -> Option<&S> {
        self.sessions.get(&session_id).map(|entry| &entry.sink)
    }

    pub fn count_of(&self, user_id: UserId) -> usize {
        self.by_user.get(&user_id).map_or(0, Vec::len)
    }

    /// The user's sessions, in the order of their ids.
    pub fn sessions_of(&self, user_id: UserId) -> impl Iterator<Item = SessionId> + '_ {
        self.by_user.get(&user_id).into_iter().flatten().copied()
    }

    pub fn sessions_of_login(&self, login_id: LoginId) -> Vec<SessionId> {
        self.by_login.get(&login_id).into_iter().flatten().copied().collect()
    }

    pub fn all(&self) -> Vec<SessionId> {
        self.sessions.keys().copied().collect()
    }

    pub fn connections(&self) -> usize {
        self.sessions.len()
    }

    pub fn users(&self) -> usize {
        self.by_user.len()
    }

    /// Holds every index against every other.
    ///
    /// # Panics
    /// When they disagree: a bug of this file.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        let by_user: usize = self.by_user.values().map(Vec::len).sum();
        let by_login: usize = self.by_login.values().map(Vec::len).sum();
        assert_eq!(by_user, self.sessions.len(), "each session belongs to one user");
        assert_eq!(by_login, self.sessions.len(), "each session belongs to one login");
        assert!(
            self.by_user.values().chain(self.by_login.values()).all(|list| !list.is_empty()),
            "no empty lists stay"
        );
        for (session_id, entry) in &self.sessions {
            assert!(self.by_user[&entry.user_id].contains(session_id));
            assert!(self.by_login[&entry.login_id].contains(session_id));
        }
    }
}

fn add_to<K: Hash + Eq>(index: &mut HashMap<K, Vec<SessionId>>, key: K, session_id: SessionId) {
    let list = index.entry(key).or_insert_with(|| Vec::with_capacity(1));
    if let Err(at) = list.binary_search(&session_id) {
        list.insert(at, session_id);
    }
}

/// True when the list is gone with its last session.
fn remove_from<K: Hash + Eq>(index: &mut HashMap<K, Vec<SessionId>>, key: K, session_id: SessionId) -> bool {
    let Some(list) = index.get_mut(&key) else { return true };
    if let Ok(at) = list.binary_search(&session_id) {
        list.remove(at);
    }
    let is_empty = list.is_empty();
    if is_empty {
        index.remove(&key);
    }
    is_empty
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
            (1..8u64, 1..4i64, 1..5i64).prop_map(|(session, user, login)| Step::Attach { session, user, login }),
            (1..8u64).prop_map(|session| Step::Detach { session }),
        ]
    }

    proptest! {
        /// The model is a plain list, searched from end to end.
        #[test]
        fn the_registry_agrees_with_a_naive_model(steps in proptest::collection::vec(step(), 0..60)) {
            let mut registry = Registry::default();
            let mut model: Vec<(SessionId, UserId, LoginId)> = Vec::new();
            for step in steps {
                match step {
                    Step::Attach { session: id, user, login } => {
                        let (user, login) = (UserId::new(user), LoginId::new(login));
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
                for user in (1..4).map(UserId::new) {
                    let mut expected: Vec<_> = model.iter().filter(|row| row.1 == user).map(|row| row.0).collect();
                    expected.sort_unstable();
                    prop_assert_eq!(registry.sessions_of(user).collect::<Vec<_>>(), expected.clone());
                    prop_assert_eq!(registry.count_of(user), expected.len());
                }
                for login in (1..5).map(LoginId::new) {
                    let mut expected: Vec<_> = model.iter().filter(|row| row.2 == login).map(|row| row.0).collect();
                    expected.sort_unstable();
                    prop_assert_eq!(registry.sessions_of_login(login), expected);
                }
            }
        }
    }
}
