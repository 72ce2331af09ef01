//! Second half of a login, after the password was checked. Creates a login with its own token for
//! this device and replaces the device's earlier login.

use super::attempts::{Attempt, refund};
use super::find_password::check_still;
use crate::error::{Error, Result};
use crate::ids::{LoginId, UserId};
use crate::ops::op::{Access, Anonymous, Cx, Op, Outcome};
use crate::ops::views;
use crate::policy::Denied;
use crate::store::accounts::logins::{self, NewLogin};
use crate::store::accounts::users;
use crate::wire::{Effect, UserView};
use std::time::Duration;

/// Logins of one user. One more ends the login that was unused for longest.
const MAX_LOGINS: i64 = 100;

/// Details of the device, which help the user to recognise it.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// At most 256 characters.
    pub user_agent: Option<String>,
    pub ip: Option<String>,
    /// Logins of any user whose cookie the device sent. The new cookie replaces them, so these
    /// logins end.
    pub earlier: Vec<(UserId, LoginId)>,
}

#[derive(Clone, Debug)]
pub struct LogIn {
    pub user_id: UserId,
    /// The stored hash that the password was checked against.
    pub checked_hash: String,
    /// SHA-256 of the token in the cookie.
    pub token_hash: [u8; 32],
    pub device: Device,
    /// The attempt that was counted before the password proved right.
    pub attempt: Option<Attempt>,
    /// Replaces a stored hash that has outdated parameters.
    pub new_password_hash: Option<String>,
    /// How long a login may stay unused. Older logins of the user are deleted.
    pub lifetime: Duration,
}

impl Op<Anonymous> for LogIn {
    type Output = UserView;
    const NAME: &'static str = "log_in";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &Anonymous, cx: &mut Cx) -> Result<Outcome<UserView>> {
        let user = users::find_user(cx.db, self.user_id)?.ok_or(Error::BadCredentials)?;
        if users::is_disabled(cx.db, self.user_id)? {
            return Err(Denied::AccountDisabled.into());
        }
        check_still(self.user_id, &self.checked_hash, cx)?;
        if let Some(attempt) = &self.attempt {
            refund(&attempt.clone().guesses(), cx)?;
        }
        let ended = add_login(self.user_id, self.token_hash, &self.device, self.lifetime, cx)?;
        if let Some(hash) = &self.new_password_hash {
            users::set_password_hash(cx.db, self.user_id, hash)?;
        }
        let effects = ended.into_iter().map(Effect::LoginEnded).collect();
        Ok(Outcome { output: views::own_user(user), effects })
    }
}

/// Ends the device's earlier logins and returns those that ended.
fn end_earlier(device: &Device, cx: &mut Cx) -> Result<Vec<LoginId>> {
    let mut ended = Vec::new();
    for (user_id, login_id) in &device.earlier {
        if logins::delete_login(cx.db, *user_id, *login_id)? {
            ended.push(*login_id);
        }
    }
    Ok(ended)
}

/// Adds a login of this user for this device. Ends the user's expired logins, and above the limit
/// the login that was unused for longest.
pub(crate) fn add_login(
    user_id: UserId,
    token_hash: [u8; 32],
    device: &Device,
    lifetime: Duration,
    cx: &mut Cx,
) -> Result<Vec<LoginId>> {
    logins::delete_unused(cx.db, user_id, cx.now.before(lifetime))?;
    let new = NewLogin {
        user_id,
        token_hash: &token_hash,
        user_agent: device.user_agent.as_deref(),
        ip: device.ip.as_deref(),
        created_at: cx.now,
    };
    let newest = logins::insert_login(cx.db, &new)?;
    let mut ended = end_earlier(device, cx)?;
    ended.extend(logins::delete_beyond(cx.db, user_id, newest, MAX_LOGINS)?);
    Ok(ended)
}
