//! What the operations on groups share: finding one, and telling everybody in
//! it, and whoever just left, what changed.

use super::Cx;
use super::present::{self, MAX_LISTED_PARTICIPANTS};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, Rev, Role, UserId};
use crate::policy::{Invitation, may_invite};
use crate::store::conversations::{self, Conversation};
use crate::store::members;
use crate::store::people::{self, Invited};
use crate::store::users;
use crate::wire::{self, ConversationUpdate, Event};
use std::collections::BTreeSet;

/// A group that the caller is in, and their role there.
pub(super) struct Group {
    pub conversation: Conversation,
    pub role: Role,
}

/// # Errors
/// `NotFound` for a conversation one is not in, `Invalid` for a direct one.
pub(super) fn get_group(caller: &Caller, id: ConversationId, cx: &mut Cx) -> Result<Group> {
    let (conversation, _) = conversations::get_with_place(cx.db, caller.user_id, id)?;
    let role = members::find_role(cx.db, id, caller.user_id)?;
    let role = role.ok_or_else(|| Error::bug("who has a place has a role"))?;
    if conversation.kind != "group" {
        return Err(Error::Invalid("this is a direct conversation, not a group".into()));
    }
    Ok(Group { conversation, role })
}

/// Whether the caller may bring all of these into a group.
///
/// # Errors
/// `NotFound` where one does not exist, `Forbidden` where one is not to be
/// added; never says which of several.
pub(super) fn check_invited(me: UserId, invited: &[UserId], cx: &mut Cx) -> Result<()> {
    let policy = cx.rules.message_policy;
    let standings = people::list_invitations(cx.db, me, invited)?;
    if standings.len() < invited.len() {
        return Err(Error::NotFound("no such user"));
    }
    for Invited { is_closed, is_blocked, is_known } in standings {
        may_invite(policy, &Invitation { is_closed, is_blocked, is_known })?;
    }
    Ok(())
}

/// That these participants changed, to everybody in the conversation; and to
/// who was removed, that it is no longer theirs.
pub(super) fn tell_members(
    id: ConversationId,
    rev: Rev,
    changed: &[UserId],
    removed: Option<UserId>,
    cx: &mut Cx,
) -> Result<Vec<Event>> {
    let row = conversations::get_conversation(cx.db, id)?;
    let to = conversations::list_member_ids(cx.db, id)?;
    let rows = match changed {
        [one] => vec![members::get_participant(cx.db, id, *one)?],
        // More than a conversation lists are asked for, not told.
        many if many.len() > MAX_LISTED_PARTICIPANTS => Vec::new(),
        [] => Vec::new(),
        _ => conversations::list_participants(cx.db, &[id], None)?,
    };
    let conversation = present::conversation(&row, to.len() as i64, rows);
    let update = ConversationUpdate { conversation_id: id, rev, conversation: Some(&conversation) };
    let mut events =
        vec![Event::Frame { to, frame: wire::encode("conversation_update", cx.now, &update), ends_typing: None }];
    if let Some(removed) = removed {
        let update = ConversationUpdate { conversation_id: id, rev, conversation: None };
        let frame = wire::encode("conversation_update", cx.now, &update);
        events.push(Event::Frame { to: vec![removed], frame, ends_typing: None });
    }
    Ok(events)
}

/// Whose presence one sees, and who sees one's.
pub(super) struct Sight {
    seen: BTreeSet<UserId>,
    seers: BTreeSet<UserId>,
}

impl Sight {
    pub fn of(user_id: UserId, cx: &mut Cx) -> Result<Self> {
        Ok(Self {
            seen: people::list_visible(cx.db, user_id)?.into_iter().collect(),
            seers: people::list_viewers(cx.db, user_id)?.into_iter().collect(),
        })
    }

    /// What became different for others and for the one who came or went.
    pub fn changes(&self, user_id: UserId, cx: &mut Cx) -> Result<Vec<Event>> {
        let now = Self::of(user_id, cx)?;
        let mut events = Vec::new();
        for (viewer, is_visible) in differences(&self.seers, &now.seers) {
            events.push(presence(viewer, user_id, is_visible, cx)?);
        }
        for (subject, is_visible) in differences(&self.seen, &now.seen) {
            events.push(presence(user_id, subject, is_visible, cx)?);
        }
        Ok(events)
    }
}

fn differences(before: &BTreeSet<UserId>, now: &BTreeSet<UserId>) -> Vec<(UserId, bool)> {
    let gone = before.difference(now).map(|user_id| (*user_id, false));
    gone.chain(now.difference(before).map(|user_id| (*user_id, true))).collect()
}

fn presence(viewer: UserId, subject: UserId, is_visible: bool, cx: &mut Cx) -> Result<Event> {
    let last_seen_at = if is_visible { users::find_last_seen(cx.db, subject)? } else { None };
    Ok(Event::Presence { viewer, subject, is_visible, last_seen_at })
}
