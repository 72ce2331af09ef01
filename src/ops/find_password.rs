//! What the caller's password is to be checked against, where they give it
//! once more; and that it is still the one that was checked.

use super::{Access, Cx, Op, Outcome};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::store::users;

#[derive(Clone, Copy, Debug)]
pub struct FindPassword;

impl Op for FindPassword {
    /// The stored hash; none for whoever has no password.
    type Output = Option<String>;

    fn name(&self) -> &'static str {
        "find_password"
    }

    fn access(&self) -> Access {
        Access::Read
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Self::Output>> {
        users::find_password_hash(cx.db, caller.user_id).map(Outcome::quiet)
    }
}

/// A password is checked outside of any transaction, and takes its time.
///
/// # Errors
/// `Unavailable` when it was changed since then: asked again, it is checked
/// again.
pub(super) fn check_still(user_id: UserId, checked: &str, cx: &mut Cx) -> Result<()> {
    match users::find_password_hash(cx.db, user_id)?.as_deref() == Some(checked) {
        true => Ok(()),
        false => Err(Error::Unavailable("the password was changed meanwhile")),
    }
}
