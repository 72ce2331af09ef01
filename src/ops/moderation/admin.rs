//! Shared by the operations of administrators.

use crate::auth::Caller;
use crate::error::Result;
use crate::ops::op::Cx;
use crate::policy::Denied;
use crate::store::accounts::users;

/// Checks that the caller is an administrator.
///
/// # Errors
/// `Forbidden` for any other user.
pub(crate) fn check_admin(caller: &Caller, cx: &mut Cx) -> Result<()> {
    match users::is_admin(cx.db, caller.user_id)? {
        true => Ok(()),
        false => Err(Denied::NotAnAdmin.into()),
    }
}
