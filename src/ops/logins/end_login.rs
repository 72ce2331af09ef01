//! `DELETE /api/auth/sessions/{login_id}`: ends one of the caller's logins and closes its sockets.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::LoginId;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::store::accounts::logins;
use crate::wire::Effect;

#[derive(Clone, Copy, Debug)]
pub struct EndLogin {
    pub login_id: LoginId,
}

impl Op for EndLogin {
    type Output = Done;
    const NAME: &'static str = "end_login";
    const ACCESS: Access = Access::Write;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        match logins::delete_login(cx.db, caller.user_id, self.login_id)? {
            true => Ok(Outcome { output: Done {}, effects: vec![Effect::LoginEnded(self.login_id)] }),
            false => Err(Error::NotFound("no such session")),
        }
    }
}
