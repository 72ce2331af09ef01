//! Records the last use of logins, which keeps them alive.

use crate::error::Result;
use crate::ids::LoginId;
use crate::ops::op::{Access, Cx, Done, Op, Outcome, System};
use crate::store::accounts::logins;

#[derive(Clone, Debug)]
pub struct TouchLogins {
    pub logins: Vec<LoginId>,
}

impl Op<System> for TouchLogins {
    type Output = Done;
    const NAME: &'static str = "touch_logins";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Done>> {
        logins::set_last_used(cx.db, &self.logins, cx.now)?;
        Ok(Outcome::without_effects(Done {}))
    }
}
