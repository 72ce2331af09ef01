//! `POST /api/conversations/{id}/participants`: brings somebody into a group.
//! They see what is said from then on.

use super::group::{Sight, check_invited, get_group, tell_members};
use super::{Access, Cx, Done, Op, Outcome};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, UserId};
use crate::policy::may_manage;
use crate::store::{conversations, members, positions};
use crate::wire::Event;

#[derive(Clone, Copy, Debug)]
pub struct AddParticipant {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
}

impl Op for AddParticipant {
    type Output = Done;

    fn name(&self) -> &'static str {
        "add_participant"
    }

    fn access(&self) -> Access {
        Access::Write
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let (id, added) = (self.conversation_id, self.user_id);
        let group = get_group(caller, id, cx)?;
        may_manage(group.role)?;
        if members::find_role(cx.db, id, added)?.is_some() {
            return Ok(Outcome::quiet(Done {}));
        }
        check_invited(caller.user_id, &[added], cx)?;
        let before = Sight::of(added, cx)?;
        let rev = positions::next_rev(cx.db, id)?;
        // The row lock is held from here on.
        let max = cx.rules.max_participants;
        let count = conversations::count_members(cx.db, &[id])?.get(&id).copied().unwrap_or(0);
        if count >= max as i64 {
            return Err(Error::Invalid(format!("a group has at most {max} people").into()));
        }
        let last_seq = conversations::get_conversation(cx.db, id)?.last_seq;
        members::set_joined(cx.db, id, added, last_seq, rev, cx.now)?;
        let mut events = tell_members(id, rev, &[added], None, cx)?;
        events.push(Event::Unread { conversation_id: id, users: vec![added] });
        events.extend(before.changes(added, cx)?);
        Ok(Outcome { output: Done {}, events })
    }
}
