//! Writes down that a login is in use, which keeps it alive.

use super::{Access, Cx, Done, Op, Outcome};
use crate::auth::Caller;
use crate::error::Result;
use crate::store::logins;

#[derive(Clone, Copy, Debug)]
pub struct TouchLogin;

impl Op for TouchLogin {
    type Output = Done;

    fn name(&self) -> &'static str {
        "touch_login"
    }

    fn access(&self) -> Access {
        Access::Write
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        logins::set_last_used(cx.db, caller.login_id, cx.now)?;
        Ok(Outcome::quiet(Done {}))
    }
}
