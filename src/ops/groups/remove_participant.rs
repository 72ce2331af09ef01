//! `DELETE /api/conversations/{conversation_id}/participants/{user_id}`: a member leaves a group or is removed.
//! Nothing committed later reaches that user.

use super::group::{Group, get_group, remove_member};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, Role, UserId};
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::ops::presence::presence_visibility::{self, Step};
use crate::policy::may_remove;
use crate::store::messaging::{members, participants};
use crate::store::{Cost, Locks};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct RemoveParticipant {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
}

impl Op for RemoveParticipant {
    type Output = Done;
    const NAME: &'static str = "remove_participant";
    const ACCESS: Access = Access::Write;
    const COST: Cost = Cost::Heavy;

    fn locks(&self, _: &Caller) -> Locks {
        Locks::conversation(self.conversation_id)
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let (id, removed) = (self.conversation_id, self.user_id);
        let Group { role, .. } = get_group(caller, id, cx)?;
        let theirs = members::find_role(cx.db, id, removed)?.ok_or(Error::NotFound("no such participant"))?;
        if removed != caller.user_id {
            may_remove(role, theirs)?;
        }
        let others: Vec<UserId> =
            participants::list_member_ids(cx.db, id)?.into_iter().filter(|member| *member != removed).collect();
        if theirs == Role::Owner
            && !members::has_owner(cx.db, id, Some(removed))?
            && members::find_successor(cx.db, id, Some(removed))?.is_some()
        {
            return Err(Error::Conflict("you are the last owner: make another member an owner first"));
        }
        if removed == caller.user_id {
            members::decline_adder(cx.db, id, removed, cx.now)?;
        }
        let mut effects = remove_member(id, removed, cx)?;
        effects.extend(presence_visibility::on_change(id, &others, removed, Step::Leaves, cx)?);
        Ok(Outcome { output: Done {}, effects })
    }
}
