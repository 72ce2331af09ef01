//! `PUT` and `DELETE /api/blocks/{user_id}`: blocks or unblocks a user. While blocked, neither user
//! can message the other, see the other type, or see whether the other is online.

use super::relation::{check_other, visibility_change};
use crate::auth::Caller;
use crate::error::Result;
use crate::ids::UserId;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::ops::views::tell_me;
use crate::store::Locks;
use crate::store::accounts::{people, presence};
use crate::wire::{Effect, MeUpdate, RelationChangeView};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct SetBlock {
    pub user_id: UserId,
    pub is_blocked: bool,
}

impl Op for SetBlock {
    type Output = Done;
    const NAME: &'static str = "set_block";
    const ACCESS: Access = Access::Write;

    fn locks(&self, caller: &Caller) -> Locks {
        Locks::pair(caller.user_id, self.user_id)
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let (me, other) = (caller.user_id, self.user_id);
        check_other(me, other, !self.is_blocked, cx)?;
        let before = presence::between(cx.db, me, other)?;
        let mut effects = Vec::new();
        if let Some(number) = people::set_block(cx.db, me, other, self.is_blocked, cx.now)? {
            let change = [RelationChangeView { user_id: other, removed: !self.is_blocked }];
            effects.push(tell_me(me, &MeUpdate { me: number, blocks: &change, ..MeUpdate::default() }, cx));
            if self.is_blocked {
                effects.push(Effect::Blocked(me, other));
            }
            let now = presence::between(cx.db, me, other)?;
            effects.extend(visibility_change(me, other, (before.one_sees_other, now.one_sees_other), cx)?);
            effects.extend(visibility_change(other, me, (before.other_sees_one, now.other_sees_one), cx)?);
        }
        Ok(Outcome { output: Done {}, effects })
    }
}
