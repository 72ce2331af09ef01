//! Shared by blocks and contacts: checks the other user, and reports changes of presence
//! visibility.

use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::ops::op::Cx;
use crate::store::accounts::users;
use crate::wire::Effect;

/// Checks the other user of a block or contact. Both users must exist. A relation to an account
/// that was closed since can be removed.
pub(crate) fn check_other(me: UserId, other: UserId, may_be_closed: bool, cx: &mut Cx) -> Result<()> {
    if other == me {
        return Err(Error::Invalid("user_id must not be your own id".into()));
    }
    let found = users::find_user(cx.db, other)?.filter(|user| may_be_closed || user.deleted_at.is_none());
    found.map(drop).ok_or(Error::NotFound("no such user"))
}

/// Tells a viewer whether they see the subject's presence now, if that has changed.
pub(crate) fn visibility_change(
    viewer: UserId,
    subject: UserId,
    (before, is_visible): (bool, bool),
    cx: &mut Cx,
) -> Result<Option<Effect>> {
    if is_visible == before {
        return Ok(None);
    }
    let last_seen_at = if is_visible { users::find_last_seen(cx.db, subject)? } else { None };
    Ok(Some(Effect::Presence { viewer, subject, is_visible, last_seen_at }))
}
