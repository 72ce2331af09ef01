//! `POST /api/conversations/{conversation_id}/participants`: adds a user to a group. The user sees messages from
//! then on.

use super::group::{admit, get_group, take_quotas, tell_members};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, UserId};
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::ops::presence::presence_visibility::{self, Step};
use crate::policy::may_manage;
use crate::store::accounts::quotas::Kind;
use crate::store::messaging::{members, participants, positions};
use crate::store::{Cost, Locks};
use crate::wire::{Effect, UnreadChange};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct AddParticipant {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
}

impl Op for AddParticipant {
    type Output = Done;
    const NAME: &'static str = "add_participant";
    const ACCESS: Access = Access::Write;
    const COST: Cost = Cost::Heavy;

    fn locks(&self, _: &Caller) -> Locks {
        Locks::conversation(self.conversation_id)
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let (id, added) = (self.conversation_id, self.user_id);
        let group = get_group(caller, id, cx)?;
        may_manage(group.role)?;
        if members::find_role(cx.db, id, added)?.is_some() {
            return Ok(Outcome::without_effects(Done {}));
        }
        let (max, there) = (cx.rules.max_participants, participants::list_member_ids(cx.db, id)?);
        if there.len() >= max {
            return Err(Error::Invalid(format!("a group has at most {max} people").into()));
        }
        let strangers = admit(caller.user_id, &[added], cx)?;
        take_quotas(caller.user_id, &[(Kind::Strangers, strangers, cx.rules.max_strangers_a_day())], cx)?;
        let rev = positions::next_rev(cx.db, id)?;
        members::set_joined(cx.db, id, (caller.user_id, added), group.conversation.last_seq, rev, cx.now)?;
        let mut effects = tell_members(id, rev, &[added], None, cx)?;
        effects.push(Effect::Unread { conversation_id: id, users: vec![added], change: UnreadChange::Unknown });
        effects.extend(presence_visibility::on_change(id, &there, added, Step::Joins, cx)?);
        Ok(Outcome { output: Done {}, effects })
    }
}
