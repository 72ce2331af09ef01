//! Authenticates a credential: finds its user and checks that the account may sign in. Every
//! request and every socket runs it.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{LoginId, UserId};
use crate::ops::op::{Access, Anonymous, Cx, Op, Outcome};
use crate::policy::Denied;
use crate::store::Cost;
use crate::store::accounts::logins::{self, Key, Login};
use crate::store::accounts::users::{self, AccountStatus};
use std::time::Duration;

/// Shortest interval between two writes of `last_used_at`. Every request uses its login, and each
/// write is a flush to disk.
const TOUCH_EVERY: Duration = Duration::from_secs(5 * 60);

/// A credential.
#[derive(Clone, Debug)]
pub enum Proof {
    /// SHA-256 of a login's secret: a cookie or a refresh token.
    Secret([u8; 32]),
    /// The claims of a verified access token.
    Token(UserId, LoginId),
    /// The claims of a verified token of an external identity provider.
    External { issuer: String, subject: String },
}

#[derive(Clone, Debug)]
pub struct FindCaller {
    pub proof: Proof,
    /// How long a login may stay unused before it expires.
    pub lifetime: Duration,
}

#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub caller: Caller,
    /// Whether the last use of the login is due to be written.
    pub needs_touch: bool,
}

impl Op<Anonymous> for FindCaller {
    /// None: an external user without an account yet.
    type Output = Option<Found>;
    const NAME: &'static str = "find_caller";
    const ACCESS: Access = Access::Read;
    const COST: Cost = Cost::Admission;

    fn run(&self, _: &Anonymous, cx: &mut Cx) -> Result<Outcome<Self::Output>> {
        let found = match &self.proof {
            Proof::Secret(hash) => {
                find_by_login(cx, Key::TokenHash(*hash), self.lifetime).map(|(found, _)| Some(found))
            }
            Proof::Token(user_id, login_id) => match find_by_login(cx, Key::Id(*login_id), self.lifetime)?.0 {
                found if found.caller.user_id == *user_id => Ok(Some(found)),
                _ => Err(ENDED),
            },
            Proof::External { issuer, subject } => {
                let user_id = users::find_external(cx.db, issuer, subject)?;
                user_id.map(|user_id| find_by_user(cx, user_id)).transpose()
            }
        };
        found.map(Outcome::without_effects)
    }
}

const ENDED: Error = Error::Unauthenticated("the sign-in session has ended: log in again");

/// Finds the user of a login.
pub(crate) fn find_by_login(cx: &mut Cx, key: Key, lifetime: Duration) -> Result<(Found, Login)> {
    let login = logins::find_login(cx.db, key, cx.now.before(lifetime))?.ok_or(ENDED)?;
    let caller = Caller { user_id: login.user_id, login_id: Some(login.id), session_id: None };
    // A time ahead of the clock would keep an unused login alive for too long.
    let is_ahead = login.last_used_at > cx.now.with_skew();
    let needs_touch = is_ahead || login.last_used_at <= cx.now.before(TOUCH_EVERY);
    Ok((Found { caller, needs_touch }, login))
}

/// Finds a user whom an external identity provider authenticated.
pub(crate) fn find_by_user(cx: &mut Cx, user_id: UserId) -> Result<Found> {
    check_account_status(cx, user_id)?;
    Ok(Found { caller: Caller { user_id, login_id: None, session_id: None }, needs_touch: false })
}

/// Refuses an account that is disabled or closed.
pub(crate) fn check_account_status(cx: &mut Cx, user_id: UserId) -> Result<()> {
    match users::get_account_status(cx.db, user_id)? {
        AccountStatus::Active => Ok(()),
        AccountStatus::Disabled => Err(Denied::AccountDisabled.into()),
        AccountStatus::Closed => Err(Error::Unauthenticated("the account is closed")),
    }
}
