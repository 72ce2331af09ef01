//! Loads the data that a connection's session needs at its start: in the snapshot that authenticates
//! the handshake, or later.

use super::find_caller::{Found, check_account_status, find_by_login};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::ops::op::{Access, Anonymous, Cx, Op, Outcome};
use crate::store::accounts::logins::{self, Key};
use crate::store::accounts::{presence, users};
use crate::store::{Cost, find_last_commit};
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub struct OpenSession;

/// The private part of `welcome` and `presence_state`.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Number of the user's last private change.
    pub private_rev: i64,
    /// The users whose presence this user may see.
    pub visible: Vec<UserId>,
}

impl Op for OpenSession {
    type Output = Opening;
    const NAME: &'static str = "open_session";
    const ACCESS: Access = Access::Read;
    const COST: Cost = Cost::Opening;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Opening>> {
        // The session is attached by now. A login that ends from here on finds and closes the
        // session, and one that ended before is refused here.
        check_account_status(cx, caller.user_id)?;
        if let Some(login_id) = caller.login_id
            && !logins::exists(cx.db, login_id)?
        {
            return Err(Error::Unauthenticated("the sign-in session has ended: log in again"));
        }
        let private_rev = users::get_private_rev(cx.db, caller.user_id)?;
        let visible = presence::list_visible(cx.db, caller.user_id)?;
        Ok(Outcome::without_effects(Opening { private_rev, visible }))
    }
}

/// A user in more groups gets their initial state later, in a turn that is fair to others. The same
/// holds for a user whom more users wrote to, or have as a contact.
const MOST_GROUPS: i64 = 20;
const MOST_DIRECT: i64 = 500;

/// Authenticates a handshake by the secret of a login, and loads what its session needs.
#[derive(Clone, Debug)]
pub struct FindCallerAndOpen {
    /// SHA-256 of the secret.
    pub token_hash: [u8; 32],
    /// How long a login may stay unused before it expires.
    pub lifetime: Duration,
    /// The run of the hub, whose transactions it knows by their numbers.
    pub run: i64,
}

/// The initial state of a session, and the moment at which it was read.
#[derive(Clone, Debug)]
pub struct EarlyOpening {
    pub opening: Opening,
    /// The number of the last transaction of the run that the snapshot includes.
    pub commit: i64,
}

impl Op<Anonymous> for FindCallerAndOpen {
    type Output = (Found, Option<EarlyOpening>);
    const NAME: &'static str = "find_caller_and_open";
    const ACCESS: Access = Access::Read;
    const COST: Cost = Cost::Admission;

    fn run(&self, _: &Anonymous, cx: &mut Cx) -> Result<Outcome<Self::Output>> {
        let (found, login) = find_by_login(cx, Key::TokenHash(self.token_hash), self.lifetime)?;
        if login.group_count > MOST_GROUPS {
            return Ok(Outcome::without_effects((found, None)));
        }
        let commit = find_last_commit(cx.db, self.run)?.unwrap_or(0);
        let is_in_groups = login.group_count > 0;
        let Some(visible) = presence::list_few_visible(cx.db, login.user_id, is_in_groups, MOST_DIRECT)? else {
            return Ok(Outcome::without_effects((found, None)));
        };
        let opening = Opening { private_rev: login.private_rev, visible };
        Ok(Outcome::without_effects((found, Some(EarlyOpening { opening, commit }))))
    }
}
