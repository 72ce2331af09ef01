//! Finds the stored hash for an operation that asks for the caller's password again. Also checks
//! that this hash has not changed since the password was checked.

use super::attempts::{Attempt, count_login};
use super::find_caller::check_account_status;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::store::accounts::users;
use std::net::IpAddr;

#[derive(Clone, Copy, Debug)]
pub struct FindPassword {
    /// The address of the client. Guessing the password here is limited as at a login.
    pub address: IpAddr,
}

#[derive(Clone, Debug)]
pub struct FoundPassword {
    pub stored: String,
    pub attempt: Attempt,
}

impl Op for FindPassword {
    type Output = FoundPassword;
    const NAME: &'static str = "find_password";
    const ACCESS: Access = Access::Write;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Self::Output>> {
        let user = users::find_user(cx.db, caller.user_id)?
            .ok_or(Error::Unauthenticated("the sign-in session has ended: log in again"))?;
        check_account_status(cx, caller.user_id)?;
        // An account without a password has nothing to guess, so this is not counted as a guess.
        let none = Error::Forbidden("this account has no password: another system signs its tokens");
        let stored = users::find_password_hash(cx.db, caller.user_id)?.ok_or(none)?;
        let attempt = count_login(&user.username, self.address, cx)?;
        Ok(Outcome::without_effects(FoundPassword { stored, attempt }))
    }
}

/// Checks that the password has not changed since it was checked. Checking a password takes time
/// and happens outside of any transaction.
///
/// # Errors
/// `Conflict` when the password has changed since. A retry checks it again.
pub(crate) fn check_still(user_id: UserId, checked: &str, cx: &mut Cx) -> Result<()> {
    match users::find_password_hash(cx.db, user_id)?.as_deref() == Some(checked) {
        true => Ok(()),
        false => Err(Error::Conflict("the password was changed in the meantime: try again")),
    }
}
