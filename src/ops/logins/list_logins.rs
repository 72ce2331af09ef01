//! `GET /api/auth/sessions`: lists the devices on which the caller is signed in.

use crate::auth::Caller;
use crate::error::Result;
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::store::accounts::logins::{self, OwnLogin};
use crate::wire::LoginView;
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub struct ListLogins {
    /// How long a login may stay unused before it expires.
    pub lifetime: Duration,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LoginList {
    /// The sign-in sessions, last used first.
    pub sessions: Vec<LoginView>,
}

impl Op for ListLogins {
    type Output = LoginList;
    const NAME: &'static str = "list_logins";
    const ACCESS: Access = Access::Read;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<LoginList>> {
        let found = logins::list_own(cx.db, caller.user_id, cx.now.before(self.lifetime))?;
        let view = |OwnLogin { id, created_at, last_used_at, user_agent, ip }: OwnLogin| LoginView {
            id,
            created_at,
            last_used_at,
            user_agent,
            ip,
            current: Some(id) == caller.login_id,
        };
        Ok(Outcome::without_effects(LoginList { sessions: found.into_iter().map(view).collect() }))
    }
}
