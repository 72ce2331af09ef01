//! The work that a closed or disabled account leaves in its groups: leaving them, or passing their
//! ownership on. An account may be in thousands of groups, so the work is done in portions. The
//! first portion runs with the account change, the rest in a background job.

use super::group::{pass_on_ownership, remove_member};
use crate::error::Result;
use crate::ids::{ConversationId, Role, UserId};
use crate::ops::op::{Access, Cx, Done, Op, Outcome, System};
use crate::ops::presence::presence_visibility::{self, Step};
use crate::store::Cost;
use crate::store::accounts::pairs::MAX_PRESENCE_GROUP;
use crate::store::accounts::users::{self, AccountStatus};
use crate::store::messaging::{conversations, members, participants};
use crate::wire::Effect;

/// Groups in one portion, which takes a few milliseconds of the writer.
const PORTION: usize = 20;

/// Whether any account has groups to settle.
#[derive(Clone, Copy, Debug)]
pub struct AreGroupsDue;

impl Op<System> for AreGroupsDue {
    type Output = bool;
    const NAME: &'static str = "are_groups_due";
    const ACCESS: Access = Access::Read;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<bool>> {
        Ok(Outcome::without_effects(users::find_groups_due(cx.db)?.is_some()))
    }
}

/// Settles the next portion of the account that has waited for longest.
#[derive(Clone, Copy, Debug)]
pub struct SettleGroups;

impl Op<System> for SettleGroups {
    type Output = Done;
    const NAME: &'static str = "settle_groups";
    const ACCESS: Access = Access::Write;
    const COST: Cost = Cost::Heavy;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Done>> {
        let effects = match users::find_groups_due(cx.db)? {
            Some(id) => settle(id, cx)?,
            None => Vec::new(),
        };
        Ok(Outcome { output: Done {}, effects })
    }
}

/// Settles a portion of the account's groups, and records whether more are due. A closed account
/// leaves its groups. Otherwise each group without an active owner gets one, if it has an active
/// member.
pub(crate) fn settle(id: UserId, cx: &mut Cx) -> Result<Vec<Effect>> {
    let is_closed = users::get_account_status(cx.db, id)? == AccountStatus::Closed;
    let limit = PORTION as i64 + 1;
    let due = match is_closed {
        true => members::list_groups(cx.db, id, limit)?,
        false => members::list_ownerless(cx.db, id, limit)?,
    };
    let mut effects = Vec::new();
    for group in due.iter().take(PORTION) {
        conversations::lock(cx.db, *group)?;
        effects.extend(match is_closed {
            true => leave(id, *group, cx)?,
            false => pass_on_ownership(*group, None, cx)?,
        });
    }
    users::set_groups_due(cx.db, id, (due.len() > PORTION).then_some(cx.now))?;
    Ok(effects)
}

/// Removes the user from a locked group, and passes its ownership on first.
fn leave(me: UserId, id: ConversationId, cx: &mut Cx) -> Result<Vec<Effect>> {
    let Some(role) = members::find_role(cx.db, id, me)? else { return Ok(Vec::new()) };
    let mut others = participants::list_member_ids(cx.db, id)?;
    others.retain(|member| *member != me);
    let mut effects = if role == Role::Owner { pass_on_ownership(id, Some(me), cx)? } else { Vec::new() };
    effects.extend(remove_member(id, me, cx)?);
    // Updates what the remaining members see of each other. The leaving user is visible to no user.
    if others.len() == MAX_PRESENCE_GROUP as usize {
        effects.extend(presence_visibility::on_change(id, &others, me, Step::Leaves, cx)?);
    }
    Ok(effects)
}
