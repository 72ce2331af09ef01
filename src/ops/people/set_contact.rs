//! `PUT` and `DELETE /api/contacts/{user_id}`: a contact may write to the caller
//! under the `contacts` policy, and sees whether the caller is online.

use super::relation::{check_other, visibility_change};
use crate::auth::Caller;
use crate::error::Result;
use crate::ids::UserId;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::ops::views::tell_me;
use crate::store::accounts::{people, presence};
use crate::wire::{MeUpdate, RelationChangeView};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct SetContact {
    pub user_id: UserId,
    pub is_contact: bool,
}

impl Op for SetContact {
    type Output = Done;
    const NAME: &'static str = "set_contact";
    const ACCESS: Access = Access::Write;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let (me, other) = (caller.user_id, self.user_id);
        check_other(me, other, !self.is_contact, cx)?;
        let they_saw = presence::between(cx.db, me, other)?.other_sees_one;
        let mut effects = Vec::new();
        if let Some(number) = people::set_contact(cx.db, me, other, self.is_contact, cx.now)? {
            let change = [RelationChangeView { user_id: other, removed: !self.is_contact }];
            effects.push(tell_me(me, &MeUpdate { me: number, contacts: &change, ..MeUpdate::default() }, cx));
            let they_see = presence::between(cx.db, me, other)?.other_sees_one;
            effects.extend(visibility_change(other, me, (they_saw, they_see), cx)?);
        }
        Ok(Outcome { output: Done {}, effects })
    }
}
