//! `PATCH /api/conversations/{conversation_id}/participants/{user_id}`: changes a member's role in a group. An
//! owner hands over ownership this way.

use super::group::{get_group, grant_role};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, Role, UserId};
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::policy::may_set_role;
use crate::store::Locks;
use crate::store::messaging::members;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct SetRole {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub role: Role,
}

impl Op for SetRole {
    type Output = Done;
    const NAME: &'static str = "set_role";
    const ACCESS: Access = Access::Write;

    fn locks(&self, _: &Caller) -> Locks {
        Locks::conversation(self.conversation_id)
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let (id, whose) = (self.conversation_id, self.user_id);
        let group = get_group(caller, id, cx)?;
        may_set_role(group.role)?;
        let theirs = members::find_role(cx.db, id, whose)?.ok_or(Error::NotFound("no such participant"))?;
        if theirs == self.role {
            return Ok(Outcome::without_effects(Done {}));
        }
        if theirs == Role::Owner && !members::has_owner(cx.db, id, Some(whose))? {
            return Err(Error::Conflict("you are the last owner: make another member an owner first"));
        }
        Ok(Outcome { output: Done {}, effects: grant_role(id, whose, self.role, cx)? })
    }
}
