//! `GET /api/users/{user_id}`: returns one user's profile.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::views;
use crate::store::accounts::users;
use crate::wire::UserView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct GetUser {
    pub user_id: UserId,
}

/// One user. Shared by this operation and the operations on the caller's account.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UserReply {
    pub user: UserView,
}

impl Op for GetUser {
    type Output = UserReply;
    const NAME: &'static str = "get_user";
    const ACCESS: Access = Access::Read;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<UserReply>> {
        let user = users::find_user(cx.db, self.user_id)?.ok_or(Error::NotFound("no such user"))?;
        let user = if self.user_id == caller.user_id { views::own_user(user) } else { views::user(user) };
        Ok(Outcome::without_effects(UserReply { user }))
    }
}
