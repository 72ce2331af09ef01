//! Presence effects when a group changes. Members of a small group see each other's presence, so
//! only pairs of its members can gain or lose visibility.

use crate::error::Result;
use crate::ids::{ConversationId, UserId};
use crate::ops::op::Cx;
use crate::store::accounts::pairs::{MAX_PRESENCE_GROUP, Whose};
use crate::store::accounts::presence::{self, VisiblePair};
use crate::wire::Effect;

/// A change of one membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Joins,
    Leaves,
}

/// Effects of a new group.
pub(crate) fn on_create(id: ConversationId, members: &[UserId], cx: &mut Cx) -> Result<Vec<Effect>> {
    if !is_small(members.len()) {
        return Ok(Vec::new());
    }
    let pairs = presence::list_visible_pairs_by_group(cx.db, id, members, Whose::Everybody)?;
    effects(&pairs, true, cx)
}

/// Effects of a group that `member` joins or leaves, with `others` as the other members.
pub(crate) fn on_change(
    id: ConversationId,
    others: &[UserId],
    member: UserId,
    step: Step,
    cx: &mut Cx,
) -> Result<Vec<Effect>> {
    let Some((whose, is_gained)) = effect(others.len(), member, step) else { return Ok(Vec::new()) };
    let pairs = presence::list_visible_pairs_by_group(cx.db, id, others, whose)?;
    effects(&pairs, is_gained, cx)
}

fn is_small(size: usize) -> bool {
    size <= MAX_PRESENCE_GROUP as usize
}

/// Returns the members whose visibility changes, and whether they gain it. A group that grows too
/// large hides its members from each other. A group that shrinks again shows them.
fn effect(others: usize, member: UserId, step: Step) -> Option<(Whose, bool)> {
    let joins = step == Step::Joins;
    match (is_small(others), is_small(others + 1)) {
        (true, true) => Some((Whose::Of(member), joins)),
        (true, false) => Some((Whose::Everybody, !joins)),
        (false, _) => None,
    }
}

fn effects(pairs: &[VisiblePair], is_visible: bool, cx: &mut Cx) -> Result<Vec<Effect>> {
    if !is_visible {
        return Ok(pairs.iter().map(|(viewer, subject)| hidden(*viewer, *subject)).collect());
    }
    let mut subjects: Vec<UserId> = pairs.iter().map(|(_, subject)| *subject).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let last_seen = presence::list_last_seen(cx.db, &subjects)?;
    let shown = |(viewer, subject): &VisiblePair| Effect::Presence {
        viewer: *viewer,
        subject: *subject,
        is_visible: true,
        last_seen_at: last_seen.get(subject).copied().flatten(),
    };
    Ok(pairs.iter().map(shown).collect())
}

/// The viewer no longer sees the presence of the subject.
pub(crate) fn hidden(viewer: UserId, subject: UserId) -> Effect {
    Effect::Presence { viewer, subject, is_visible: false, last_seen_at: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::{Joins, Leaves};

    #[test]
    fn the_group_size_decides_whose_visibility_changes() {
        let ann = UserId::new(1);
        let effect_of = |others, step| effect(others, ann, step).map(|(whose, gained)| (format!("{whose:?}"), gained));
        let of = |whose: Whose, gained| Some((format!("{whose:?}"), gained));
        for (others, step, expected) in [
            (1, Joins, of(Whose::Of(ann), true)),
            (1, Leaves, of(Whose::Of(ann), false)),
            (99, Joins, of(Whose::Of(ann), true)),
            (99, Leaves, of(Whose::Of(ann), false)),
            (100, Joins, of(Whose::Everybody, false)),
            (100, Leaves, of(Whose::Everybody, true)),
            (101, Joins, None),
            (101, Leaves, None),
        ] {
            assert_eq!(effect_of(others, step), expected, "{others} others, one {step:?}");
        }
    }
}
