//! `PUT` and `DELETE /api/blocks/{user_id}`: neither writes to the other, sees
//! the other type, or sees whether the other is online.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::ops::views::tell_me;
use crate::store::{conversations, people, presence, users};
use crate::wire::{Event, MeUpdate, TieView};

#[derive(Clone, Copy, Debug)]
pub struct SetBlock {
    pub user_id: UserId,
    pub is_blocked: bool,
}

impl Op for SetBlock {
    type Output = Done;

    fn name(&self) -> &'static str {
        "set_block"
    }

    fn access(&self) -> Access {
        Access::Write
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let (me, other) = (caller.user_id, self.user_id);
        check_other(me, other, !self.is_blocked, cx)?;
        conversations::lock_between(cx.db, me, other)?;
        let before = presence::between(cx.db, me, other)?;
        let mut events = Vec::new();
        if let Some(number) = people::set_block(cx.db, me, other, self.is_blocked, cx.now)? {
            let tie = [TieView { user_id: other, removed: !self.is_blocked }];
            events.push(tell_me(me, &MeUpdate { me: number, blocks: &tie, ..MeUpdate::default() }, cx));
            if self.is_blocked {
                events.push(Event::Parted(me, other));
            }
            let now = presence::between(cx.db, me, other)?;
            events.extend(sight_change(me, other, (before.one_sees_other, now.one_sees_other), cx)?);
            events.extend(sight_change(other, me, (before.other_sees_one, now.other_sees_one), cx)?);
        }
        Ok(Outcome { output: Done {}, events })
    }
}

/// Blocks and contacts are between two people who exist; those with an account
/// that was closed since can be lifted.
pub(crate) fn check_other(me: UserId, other: UserId, may_be_closed: bool, cx: &mut Cx) -> Result<()> {
    if other == me {
        return Err(Error::Invalid("user_id must be somebody else".into()));
    }
    let found = users::find_user(cx.db, other)?.filter(|user| may_be_closed || user.deleted_at.is_none());
    found.map(drop).ok_or(Error::NotFound("no such user"))
}

/// Tells a viewer whether they see the subject's presence now, if that is
/// another answer than before.
pub(crate) fn sight_change(
    viewer: UserId,
    subject: UserId,
    (before, is_visible): (bool, bool),
    cx: &mut Cx,
) -> Result<Option<Event>> {
    if is_visible == before {
        return Ok(None);
    }
    let last_seen_at = if is_visible { users::find_last_seen(cx.db, subject)? } else { None };
    Ok(Some(Event::Presence { viewer, subject, is_visible, last_seen_at }))
}
