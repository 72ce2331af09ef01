//! First half of a login: counts the attempt and finds the hash to check the password against.

use super::attempts::{Attempt, count_login};
use crate::error::Result;
use crate::ids::UserId;
use crate::ops::op::{Access, Anonymous, Cx, Op, Outcome};
use crate::store::accounts::users;
use std::net::IpAddr;

#[derive(Clone, Debug)]
pub struct BeginLogin {
    pub username: String,
    /// The address of the client.
    pub address: IpAddr,
}

#[derive(Clone, Debug)]
pub struct BegunLogin {
    /// The user and the stored hash. None for an unknown username or an account without a password.
    pub credentials: Option<(UserId, String)>,
    pub attempt: Attempt,
}

impl Op<Anonymous> for BeginLogin {
    type Output = BegunLogin;
    const NAME: &'static str = "begin_login";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &Anonymous, cx: &mut Cx) -> Result<Outcome<BegunLogin>> {
        let attempt = count_login(&self.username, self.address, cx)?;
        // No username contains NUL, and Postgres rejects it in a query.
        let credentials = match self.username.contains('\0') {
            true => None,
            false => users::find_credentials(cx.db, &self.username)?,
        };
        Ok(Outcome::without_effects(BegunLogin { credentials, attempt }))
    }
}
