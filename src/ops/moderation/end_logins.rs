//! `DELETE /api/admin/users/{user_id}/connections`: ends a user's logins on every device. The user may
//! log in again.

use super::admin::check_admin;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::store::accounts::{logins, users};
use crate::wire::Effect;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct EndLogins {
    pub user_id: UserId,
}

impl Op for EndLogins {
    type Output = Done;
    const NAME: &'static str = "end_logins";
    const ACCESS: Access = Access::Write;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        check_admin(caller, cx)?;
        users::find_user(cx.db, self.user_id)?.ok_or(Error::NotFound("no such user"))?;
        logins::delete_logins(cx.db, self.user_id)?;
        Ok(Outcome { output: Done {}, effects: vec![Effect::LoginsEnded(self.user_id)] })
    }
}
