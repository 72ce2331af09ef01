//! Who is asking: the login behind a cookie or a token, if it is good.

use super::{Access, Cx, Nobody, Op, Outcome};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{LoginId, UserId};
use crate::store::logins::{self, Key};
use std::time::Duration;

/// `last_used_at` is written at most so often: a login is used with every
/// request, and each write is a flush to disk.
const TOUCH_EVERY: Duration = Duration::from_secs(5 * 60);

/// What was shown.
#[derive(Clone, Copy, Debug)]
pub enum Proof {
    /// SHA-256 of a cookie's token.
    Cookie([u8; 32]),
    /// A verified access token's claims.
    Token(UserId, LoginId),
}

#[derive(Clone, Copy, Debug)]
pub struct FindCaller {
    pub proof: Proof,
    /// How long a login lives unused.
    pub lifetime: Duration,
}

#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub caller: Caller,
    /// Time to write down that the login is in use.
    pub needs_touch: bool,
}

impl Op<Nobody> for FindCaller {
    type Output = Found;

    fn name(&self) -> &'static str {
        "find_caller"
    }

    fn access(&self) -> Access {
        Access::Read
    }

    fn run(&self, _: &Nobody, cx: &mut Cx) -> Result<Outcome<Found>> {
        let not_before = cx.now.before(self.lifetime);
        let key = match self.proof {
            Proof::Cookie(hash) => Key::TokenHash(hash),
            Proof::Token(_, login_id) => Key::Id(login_id),
        };
        let login = logins::find_login(cx.db, key, not_before)?
            .filter(|login| !matches!(self.proof, Proof::Token(user_id, _) if user_id != login.user_id))
            .ok_or(Error::Unauthenticated("the login has ended"))?;
        let caller = Caller { user_id: login.user_id, login_id: login.id, session_id: None };
        Ok(Outcome::quiet(Found { caller, needs_touch: login.last_used_at <= cx.now.before(TOUCH_EVERY) }))
    }
}
