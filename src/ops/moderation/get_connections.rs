//! `GET /api/admin/users/{user_id}/connections`: checks that the caller may see how many sockets a user
//! has. The hub knows the number.

use super::admin::check_admin;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::store::accounts::users;

#[derive(Clone, Copy, Debug)]
pub struct GetConnections {
    pub user_id: UserId,
}

impl Op for GetConnections {
    type Output = Done;
    const NAME: &'static str = "get_connections";
    const ACCESS: Access = Access::Read;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        check_admin(caller, cx)?;
        users::find_user(cx.db, self.user_id)?.ok_or(Error::NotFound("no such user"))?;
        Ok(Outcome::without_effects(Done {}))
    }
}
