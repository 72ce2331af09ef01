//! First half of a login: what the password is to be checked against.

use super::{Access, Cx, Nobody, Op, Outcome};
use crate::error::Result;
use crate::ids::UserId;
use crate::store::users;

#[derive(Clone, Debug)]
pub struct FindCredentials {
    pub username: String,
}

impl Op<Nobody> for FindCredentials {
    /// The user and the stored hash; none for whoever has no password.
    type Output = Option<(UserId, String)>;

    fn name(&self) -> &'static str {
        "find_credentials"
    }

    fn access(&self) -> Access {
        Access::Read
    }

    fn run(&self, _: &Nobody, cx: &mut Cx) -> Result<Outcome<Self::Output>> {
        // Nobody has such a name, and Postgres refuses the question.
        if self.username.contains('\0') {
            return Ok(Outcome::quiet(None));
        }
        users::find_credentials(cx.db, &self.username).map(Outcome::quiet)
    }
}
