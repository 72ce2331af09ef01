//! Writes down that these users were here until now: those whose going nobody announces, because
//! the hub stops, and those who are here still, in case it is killed.

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
