//! What the operations of administrators share.

use crate::auth::Caller;
use crate::error::Result;
use crate::ops::op::Cx;
use crate::policy::Denied;
use crate::store::accounts::users;

/// # Errors
/// `Forbidden` for everybody else.
pub(crate) fn check_admin(caller: &Caller, cx: &mut Cx) -> Result<()> {
    match users::is_admin(cx.db, caller.user_id)? {
        true => Ok(()),
        false => Err(Denied::NotAnAdmin.into()),
    }
}
