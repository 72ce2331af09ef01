//! `POST /api/auth/register`: makes an account. The password arrives hashed.

use super::{Access, Cx, Nobody, Op, Outcome, present};
use crate::error::{Error, Result};
use crate::policy::Rules;
use crate::store::users::{self, NewUser};
use crate::wire::UserView;

/// Fields are checked where they are read from the request.
#[derive(Clone, Debug)]
pub struct Register {
    pub username: String,
    pub display_name: String,
    pub email: Option<String>,
    pub password_hash: String,
}

impl Op<Nobody> for Register {
    type Output = UserView;

    fn name(&self) -> &'static str {
        "register"
    }

    fn access(&self) -> Access {
        Access::Write
    }

    fn run(&self, _: &Nobody, cx: &mut Cx) -> Result<Outcome<UserView>> {
        check_open(cx.rules)?;
        let new = NewUser {
            username: &self.username,
            display_name: &self.display_name,
            email: self.email.as_deref(),
            password_hash: Some(&self.password_hash),
            external: None,
            created_at: cx.now,
        };
        Ok(Outcome::quiet(present::own_user(users::insert_user(cx.db, &new)?)))
    }
}

pub(super) fn check_open(rules: &Rules) -> Result<()> {
    if rules.registration_is_open { Ok(()) } else { Err(Error::Forbidden("registration is closed")) }
}
