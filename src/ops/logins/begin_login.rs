//! First half of a login: counts the attempt, and finds what the password is
//! to be checked against.

use super::attempts::{Attempt, count_login};
use crate::error::Result;
use crate::ids::UserId;
use crate::ops::op::{Access, Anonymous, Cx, Op, Outcome};
use crate::store::accounts::users;
use std::net::IpAddr;

#[derive(Clone, Debug)]
pub struct BeginLogin {
    pub username: String,
    /// Of whoever tries.
    pub address: IpAddr,
}

#[derive(Clone, Debug)]
pub struct BegunLogin {
    /// The user and the stored hash; none for whoever has no password.
    pub credentials: Option<(UserId, String)>,
    pub attempt: Attempt,
}

impl Op<Anonymous> for BeginLogin {
    type Output = BegunLogin;
    const NAME: &'static str = "begin_login";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &Anonymous, cx: &mut Cx) -> Result<Outcome<BegunLogin>> {
        let attempt = count_login(&self.username, self.address, cx)?;
        // Nobody has such a name, and Postgres refuses the question.
        let credentials = match self.username.contains('\0') {
            true => None,
            false => users::find_credentials(cx.db, &self.username)?,
        };
        Ok(Outcome::without_effects(BegunLogin { credentials, attempt }))
    }
}
