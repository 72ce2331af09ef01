//! `POST /api/auth/logout`: ends the caller's login and closes its sockets.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::limits::Class;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::store::accounts::logins;
use crate::wire::Effect;

#[derive(Clone, Copy, Debug)]
pub struct LogOut;

impl Op for LogOut {
    type Output = Done;
    const NAME: &'static str = "log_out";
    const ACCESS: Access = Access::Write;
    const CLASS: Class = Class::Unlimited;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let login_id =
            caller.login_id.ok_or(Error::Forbidden("this token was issued by another system; sign out there"))?;
        logins::delete_login(cx.db, caller.user_id, login_id)?;
        Ok(Outcome { output: Done {}, effects: vec![Effect::LoginEnded(login_id)] })
    }
}
