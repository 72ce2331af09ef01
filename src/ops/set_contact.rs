//! `PUT` and `DELETE /api/contacts/{user_id}`: a contact may write to one under
//! the `contacts` policy, and one sees whether a contact is online.

use super::present::tell_me;
use super::set_block::{check_other, visibility_change};
use super::{Access, Cx, Done, Op, Outcome};
use crate::auth::Caller;
use crate::error::Result;
use crate::ids::UserId;
use crate::store::people;
use crate::wire::{MeUpdate, TieView};

#[derive(Clone, Copy, Debug)]
pub struct SetContact {
    pub user_id: UserId,
    pub is_contact: bool,
}

impl Op for SetContact {
    type Output = Done;

    fn name(&self) -> &'static str {
        "set_contact"
    }

    fn access(&self) -> Access {
        Access::Write
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let (me, other) = (caller.user_id, self.user_id);
        check_other(me, other, !self.is_contact, cx)?;
        let saw = people::may_see(cx.db, me, other)?;
        let mut events = Vec::new();
        if let Some(number) = people::set_contact(cx.db, me, other, self.is_contact, cx.now)? {
            let tie = [TieView { user_id: other, removed: !self.is_contact }];
            events.push(tell_me(me, &MeUpdate { me: number, contacts: &tie, ..MeUpdate::default() }, cx));
            events.extend(visibility_change(me, other, saw, cx)?);
        }
        Ok(Outcome { output: Done {}, events })
    }
}
