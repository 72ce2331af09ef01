//! Shared by the operations on groups: finding a group, and telling its members, and a member who
//! just left, about a change.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, Rev, Role, UserId};
use crate::ops::op::Cx;
use crate::ops::views::{self, MAX_LISTED_PARTICIPANTS};
use crate::policy::{DAY, Invitation, MAX_GROUPS, may_invite, wait_for_quota};
use crate::store::accounts::people::{self, Invited};
use crate::store::accounts::quotas::{self, Kind};
use crate::store::messaging::conversations::{self, Conversation};
use crate::store::messaging::{members, participants, positions};
use crate::wire::{self, ConversationUpdate, Effect, UnreadChange};

/// A group that the caller is in, and the caller's role. Loading it locks the conversation, so the
/// rows read here do not change before the commit.
pub(crate) struct Group {
    pub conversation: Conversation,
    pub role: Role,
}

/// Locks and loads a group that the caller is in.
///
/// # Errors
/// `NotFound` for a conversation that the caller is not in, `Invalid` for a direct one.
pub(crate) fn get_group(caller: &Caller, id: ConversationId, cx: &mut Cx) -> Result<Group> {
    let (conversation, _) = conversations::get_with_own_state(cx.db, caller.user_id, id)?;
    let role = members::find_role(cx.db, id, caller.user_id)?;
    let role = role.ok_or_else(|| Error::bug("who has a place has a role"))?;
    if conversation.kind != "group" {
        return Err(Error::Invalid("this is a direct conversation, not a group".into()));
    }
    Ok(Group { conversation, role })
}

/// Checks that the caller may add all these users to a group, and counts the strangers among them.
///
/// # Errors
/// `NotFound` if a user does not exist or is closed. `Forbidden` if the caller may not add a user.
/// `Conflict` if a user is in too many groups. The error never says which user it is about.
pub(crate) fn admit(me: UserId, invited: &[UserId], cx: &mut Cx) -> Result<i64> {
    let policy = cx.rules.message_policy;
    let relations = people::list_invitations(cx.db, me, invited)?;
    if relations.len() < invited.len() {
        return Err(Error::NotFound("no such user"));
    }
    let mut strangers = 0;
    for Invited { is_blocked, is_known, has_declined, group_count } in relations {
        may_invite(policy, &Invitation { is_blocked, is_known, has_declined })?;
        if group_count >= MAX_GROUPS {
            return Err(Error::Conflict("one of these users is in 5,000 groups, the maximum"));
        }
        strangers += i64::from(!is_known);
    }
    Ok(strangers)
}

/// Consumes some of a user's daily quotas. Each entry names the kind, the amount and the daily
/// maximum.
///
/// # Errors
/// `RateLimited` until the amount fits into the quota again.
pub(crate) fn take_quotas(me: UserId, wanted: &[(Kind, i64, i64)], cx: &mut Cx) -> Result<()> {
    let wanted: Vec<_> = wanted.iter().filter(|(_, amount, _)| *amount > 0).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let used = quotas::list_used(cx.db, me, cx.now.before(DAY))?;
    for (kind, amount, most) in &wanted {
        let used = used.iter().filter(|used| used.is(*kind)).map(|used| (used.at, used.amount));
        if let Some(retry_in) = wait_for_quota(&used.collect::<Vec<_>>(), *amount, *most, cx.now) {
            return Err(Error::RateLimited { limit: kind.limit(), retry_in });
        }
    }
    let amounts: Vec<(Kind, i64)> = wanted.iter().map(|(kind, amount, _)| (*kind, *amount)).collect();
    quotas::use_up(cx.db, me, &amounts, cx.now)
}

/// Gives a member another role and tells all members.
pub(crate) fn grant_role(id: ConversationId, whose: UserId, role: Role, cx: &mut Cx) -> Result<Vec<Effect>> {
    let rev = positions::next_rev(cx.db, id)?;
    members::set_role(cx.db, id, whose, role, rev)?;
    tell_members(id, rev, &[whose], None, cx)
}

/// Passes the ownership of a locked group on if it has no active owner left. A member who is
/// `leaving` does not count. The successor is the longest-standing active admin, else the
/// longest-standing active member.
pub(crate) fn pass_on_ownership(id: ConversationId, leaving: Option<UserId>, cx: &mut Cx) -> Result<Vec<Effect>> {
    if members::has_owner(cx.db, id, leaving)? {
        return Ok(Vec::new());
    }
    match members::find_successor(cx.db, id, leaving)? {
        Some(successor) => grant_role(id, successor, Role::Owner, cx),
        None => Ok(Vec::new()),
    }
}

/// Removes a member and tells all members. Nothing committed later reaches the removed user.
pub(crate) fn remove_member(id: ConversationId, removed: UserId, cx: &mut Cx) -> Result<Vec<Effect>> {
    let rev = positions::next_rev(cx.db, id)?;
    members::remove(cx.db, id, removed, rev)?;
    let mut effects = vec![Effect::Left { conversation_id: id, user_id: removed }];
    effects.extend(tell_members(id, rev, &[removed], Some(removed), cx)?);
    effects.push(Effect::Unread { conversation_id: id, users: vec![removed], change: UnreadChange::Cleared });
    Ok(effects)
}

/// Tells all members that these participants changed. Tells a removed user that the conversation is
/// no longer theirs.
pub(crate) fn tell_members(
    id: ConversationId,
    rev: Rev,
    changed: &[UserId],
    removed: Option<UserId>,
    cx: &mut Cx,
) -> Result<Vec<Effect>> {
    let row = conversations::get_conversation(cx.db, id)?;
    let to = participants::list_member_ids(cx.db, id)?;
    let rows = match changed {
        [one] => vec![participants::get_participant(cx.db, id, *one)?],
        // A longer list than a conversation shows is not sent; clients request it.
        many if many.len() > MAX_LISTED_PARTICIPANTS => Vec::new(),
        [] => Vec::new(),
        _ => participants::list_participants(cx.db, &[id], None)?,
    };
    let conversation = views::conversation(&row, rows);
    let update = ConversationUpdate { conversation_id: id, rev, conversation: Some(&conversation) };
    let mut effects =
        vec![Effect::Frame { to, frame: wire::encode("conversation_update", cx.now, &update), ends_typing: None }];
    if let Some(removed) = removed {
        let update = ConversationUpdate { conversation_id: id, rev, conversation: None };
        let frame = wire::encode("conversation_update", cx.now, &update);
        effects.push(Effect::Frame { to: vec![removed], frame, ends_typing: None });
    }
    Ok(effects)
}
