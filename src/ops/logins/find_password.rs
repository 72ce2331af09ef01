//! What the caller's password is to be checked against, where they give it
//! once more; and that it is still the one that was checked.

use super::attempts::{Attempt, count_login};
use super::find_caller::check_standing;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::store::accounts::users;
use std::net::IpAddr;

#[derive(Clone, Copy, Debug)]
pub struct FindPassword {
    /// Of whoever tries: to guess here is as good as at a login.
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
        let user = users::find_user(cx.db, caller.user_id)?.ok_or(Error::Unauthenticated("the login has ended"))?;
        check_standing(cx, caller.user_id)?;
        // Before it counts as a guess: there is nothing to guess.
        let none = Error::Forbidden("this account has no password: another system signs its tokens");
        let stored = users::find_password_hash(cx.db, caller.user_id)?.ok_or(none)?;
        let attempt = count_login(&user.username, self.address, cx)?;
        Ok(Outcome::without_effects(FoundPassword { stored, attempt }))
    }
}

/// A password is checked outside of any transaction, and takes its time.
///
/// # Errors
/// `Conflict` when it was changed since then: asked again, it is checked again.
pub(crate) fn check_still(user_id: UserId, checked: &str, cx: &mut Cx) -> Result<()> {
    match users::find_password_hash(cx.db, user_id)?.as_deref() == Some(checked) {
        true => Ok(()),
        false => Err(Error::Conflict("the password was changed in the meantime: try again")),
    }
}
