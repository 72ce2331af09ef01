//! Who sees whom online, before and after a group changed: people in a small
//! group see each other.

use super::Cx;
use crate::error::Result;
use crate::ids::UserId;
use crate::store::{people, users};
use crate::wire::Event;
use std::collections::{BTreeMap, BTreeSet};

/// Of some people: who sees whom among all that have to do with them.
pub(super) struct Sight {
    of: Vec<UserId>,
    /// Who sees, and who is seen.
    pairs: BTreeSet<(UserId, UserId)>,
}

impl Sight {
    pub fn of(of: &[UserId], cx: &mut Cx) -> Result<Self> {
        let mut pairs = BTreeSet::new();
        for one in of {
            pairs.extend(people::list_visible(cx.db, *one)?.into_iter().map(|seen| (*one, seen)));
        }
        // Of several, both of each pair that can change are among them.
        if let [one] = of {
            pairs.extend(people::list_viewers(cx.db, *one)?.into_iter().map(|viewer| (viewer, *one)));
        }
        Ok(Self { of: of.to_vec(), pairs })
    }

    /// What is different by now, for whoever sees more or less.
    pub fn changes(&self, cx: &mut Cx) -> Result<Vec<Event>> {
        let now = Self::of(&self.of, cx)?;
        let gone = self.pairs.difference(&now.pairs).map(|(viewer, subject)| hidden(*viewer, *subject));
        let mut events: Vec<Event> = gone.collect();
        let mut last_seen = BTreeMap::new();
        for (viewer, subject) in now.pairs.difference(&self.pairs).copied() {
            let last_seen_at = match last_seen.get(&subject) {
                Some(known) => *known,
                None => *last_seen.entry(subject).or_insert(users::find_last_seen(cx.db, subject)?),
            };
            events.push(Event::Presence { viewer, subject, is_visible: true, last_seen_at });
        }
        Ok(events)
    }
}

/// The viewer no longer sees the presence of the subject.
pub(super) fn hidden(viewer: UserId, subject: UserId) -> Event {
    Event::Presence { viewer, subject, is_visible: false, last_seen_at: None }
}

/// Whose sight differs when these come to, or go from, a group of `others`: of
/// a small group theirs, of a large one nobody's, and everybody's where it
/// becomes the one or the other.
pub(super) fn whose_sight_changes(others: usize, changed: &[UserId], everybody: &[UserId]) -> Vec<UserId> {
    let is_small = |size: usize| size <= people::MAX_PRESENCE_GROUP as usize;
    match (is_small(others), is_small(others + changed.len())) {
        (true, true) => changed.to_vec(),
        (false, false) => Vec::new(),
        _ => everybody.to_vec(),
    }
}
