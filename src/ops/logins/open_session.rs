//! Loads the data that a connection's session needs at its start.

use super::find_caller::check_account_status;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::store::Cost;
use crate::store::accounts::{logins, presence, users};

#[derive(Clone, Copy, Debug)]
pub struct OpenSession;

/// The private part of `welcome` and `presence_state`.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Number of the user's last private change.
    pub private_rev: i64,
    /// The users whose presence this user may see.
    pub visible: Vec<UserId>,
}

impl Op for OpenSession {
    type Output = Opening;
    const NAME: &'static str = "open_session";
    const ACCESS: Access = Access::Read;
    const COST: Cost = Cost::Opening;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Opening>> {
        // The session is attached by now. A login that ends from here on finds and closes the
        // session, and one that ended before is refused here.
        check_account_status(cx, caller.user_id)?;
        if let Some(login_id) = caller.login_id
            && !logins::exists(cx.db, login_id)?
        {
            return Err(Error::Unauthenticated("the sign-in session has ended: log in again"));
        }
        let private_rev = users::get_private_rev(cx.db, caller.user_id)?;
        let visible = presence::list_visible(cx.db, caller.user_id)?;
        Ok(Outcome::without_effects(Opening { private_rev, visible }))
    }
}
