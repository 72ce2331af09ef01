//! `DELETE /api/conversations/{id}/participants/{user_id}`: somebody leaves a
//! group, by themselves or not. Nothing committed later reaches them.

use super::group::{Group, Sight, get_group, tell_members};
use super::{Access, Cx, Done, Op, Outcome};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, Role, UserId};
use crate::policy::may_remove;
use crate::store::members;
use crate::store::{conversations, positions};
use crate::wire::{Event, TypingEvent};

#[derive(Clone, Copy, Debug)]
pub struct RemoveParticipant {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
}

impl Op for RemoveParticipant {
    type Output = Done;

    fn name(&self) -> &'static str {
        "remove_participant"
    }

    fn access(&self) -> Access {
        Access::Write
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let (id, removed) = (self.conversation_id, self.user_id);
        let Group { role, .. } = get_group(caller, id, cx)?;
        let before = Sight::of(removed, cx)?;
        let rev = positions::next_rev(cx.db, id)?;
        // The row lock is held from here on.
        let theirs = members::find_role(cx.db, id, removed)?.ok_or(Error::NotFound("no such participant"))?;
        if removed != caller.user_id {
            may_remove(role, theirs)?;
        }
        let others = conversations::count_members(cx.db, &[id])?.get(&id).copied().unwrap_or(0) - 1;
        if theirs == Role::Owner && others > 0 && members::count_owners(cx.db, id)? == 1 {
            return Err(Error::Conflict("the last owner hands the group over first"));
        }
        members::set_role(cx.db, id, removed, None, rev)?;
        let mut events = vec![stop_typing(id, removed, cx)?];
        events.extend(tell_members(id, rev, &[removed], Some(removed), cx)?);
        events.push(Event::Unread { conversation_id: id, users: vec![removed] });
        events.extend(before.changes(removed, cx)?);
        Ok(Outcome { output: Done {}, events })
    }
}

fn stop_typing(id: ConversationId, user_id: UserId, cx: &mut Cx) -> Result<Event> {
    Ok(Event::Typing(TypingEvent {
        conversation_id: id,
        user_id,
        recipient_id: None,
        is_typing: false,
        to: conversations::list_member_ids(cx.db, id)?,
        session: None,
    }))
}
