//! Records that these users were online until now. It covers users whose disconnect is not
//! announced because the hub stops. It also covers users still online, in case the hub is killed.

use crate::error::Result;
use crate::ids::UserId;
use crate::ops::op::{Access, Cx, Done, Op, Outcome, System};
use crate::store::accounts::users;

#[derive(Clone, Debug)]
pub struct WriteLastSeen {
    pub users: Vec<UserId>,
}

impl Op<System> for WriteLastSeen {
    type Output = Done;
    const NAME: &'static str = "write_last_seen";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Done>> {
        users::set_last_seen(cx.db, &self.users, cx.now)?;
        Ok(Outcome::without_effects(Done {}))
    }
}
