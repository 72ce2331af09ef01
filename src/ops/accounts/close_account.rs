//! `DELETE /api/auth/me`: closes an account. The user's messages stay, under the name of deleted
//! users. The personal data of the user is erased.

use super::rename_user::tell_name;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ops::groups::settle_groups::settle;
use crate::ops::logins::find_caller::check_account_status;
use crate::ops::logins::find_password::check_still;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::ops::presence::presence_visibility::hidden;
use crate::store::Cost;
use crate::store::accounts::{logins, people, presence, users};
use crate::store::messaging::members;
use crate::wire::Effect;

#[derive(Clone, Debug)]
pub struct CloseAccount {
    /// The stored hash that the password was checked against. None for an account without a
    /// password: its user sent a fresh token instead.
    pub checked_hash: Option<String>,
}

impl Op for CloseAccount {
    type Output = Done;
    const NAME: &'static str = "close_account";
    const ACCESS: Access = Access::Write;
    const COST: Cost = Cost::Heavy;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        const ENDED: Error = Error::Unauthenticated("the sign-in session has ended: log in again");
        let me = caller.user_id;
        match (caller.login_id, &self.checked_hash) {
            (Some(login_id), Some(hash)) if logins::exists(cx.db, login_id)? => check_still(me, hash, cx)?,
            (None, None) if users::find_password_hash(cx.db, me)?.is_none() => check_account_status(cx, me)?,
            _ => return Err(ENDED),
        }
        let viewers = presence::list_viewers(cx.db, &[me])?.remove(&me).unwrap_or_default();
        logins::delete_logins(cx.db, me)?;
        users::close(cx.db, me, cx.now)?;
        let mut effects = vec![Effect::LoginsEnded(me)];
        effects.extend(settle(me, cx)?);
        let direct = members::list_direct(cx.db, me)?;
        effects.extend(tell_name(me, &direct, true, cx)?);
        // Viewers get no other notice: no user sees the presence of a closed account.
        effects.extend(viewers.into_iter().map(|viewer| hidden(viewer, me)));
        // Blocks and contacts are deleted last, so that blocked users see nothing of the closing.
        people::delete_relations(cx.db, me)?;
        Ok(Outcome { output: Done {}, effects })
    }
}
