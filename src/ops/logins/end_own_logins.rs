//! `DELETE /api/auth/sessions`: ends all logins of the caller, the current one included, and closes
//! all their sockets.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::limits::Class;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::store::accounts::logins;
use crate::wire::Effect;

#[derive(Clone, Copy, Debug)]
pub struct EndOwnLogins;

impl Op for EndOwnLogins {
    type Output = Done;
    const NAME: &'static str = "end_own_logins";
    const ACCESS: Access = Access::Write;
    const CLASS: Class = Class::Unlimited;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        if caller.login_id.is_none() {
            return Err(Error::Forbidden("this token was issued by another system; sign out there"));
        }
        logins::delete_logins(cx.db, caller.user_id)?;
        Ok(Outcome { output: Done {}, effects: vec![Effect::LoginsEnded(caller.user_id)] })
    }
}
