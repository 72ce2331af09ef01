//! `POST /api/auth/register`: creates an account and its first login in one transaction. The
//! password arrives hashed.

use crate::error::{Error, Result};
use crate::ops::logins::log_in::{Device, add_login};
use crate::ops::op::{Access, Anonymous, Cx, Op, Outcome};
use crate::ops::views;
use crate::policy::Rules;
use crate::store::accounts::users::{self, NewUser};
use crate::text::comparable;
use crate::wire::{Effect, UserView};
use std::time::Duration;

/// Registration. The request decoder has checked the fields.
#[derive(Clone, Debug)]
pub struct Register {
    pub username: String,
    pub display_name: String,
    pub email: Option<String>,
    pub password_hash: String,
    /// SHA-256 of the token in the cookie.
    pub token_hash: [u8; 32],
    pub device: Device,
    /// How long the login may stay unused before it expires.
    pub lifetime: Duration,
}

impl Op<Anonymous> for Register {
    type Output = UserView;
    const NAME: &'static str = "register";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &Anonymous, cx: &mut Cx) -> Result<Outcome<UserView>> {
        check_open(cx.rules)?;
        check_display_name(&self.display_name, &self.username, cx)?;
        let new = NewUser {
            username: &self.username,
            display_name: &self.display_name,
            email: self.email.as_deref(),
            password_hash: Some(&self.password_hash),
            external: None,
            created_at: cx.now,
        };
        let user = users::insert_user(cx.db, &new)?;
        // Ends the logins of earlier accounts on this device.
        let ended = add_login(user.id, self.token_hash, &self.device, self.lifetime, cx)?;
        let effects = ended.into_iter().map(Effect::LoginEnded).collect();
        Ok(Outcome { output: views::own_user(user), effects })
    }
}

pub(crate) fn check_open(rules: &Rules) -> Result<()> {
    if rules.registration_is_open { Ok(()) } else { Err(Error::Forbidden("registration is closed")) }
}

/// Checks that a display name does not imitate another account.
///
/// # Errors
/// `Conflict` where the name is the username of another account, open or closed: the user would
/// pass for that person.
pub(crate) fn check_display_name(name: &str, own_username: &str, cx: &mut Cx) -> Result<()> {
    let name = comparable(name);
    if name != own_username.to_ascii_lowercase() && users::is_username_taken(cx.db, &name)? {
        return Err(Error::Conflict("display_name is another user's username: choose a different one"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Timestamp;
    use crate::store::prepare;
    use crate::store::scratch::{Scratch, both_databases};

    const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);

    fn an_account_and_its_first_login_are_created_atomically(scratch: Scratch) {
        let mut db = scratch.open();
        prepare(&mut db, NOW).unwrap();
        let op = Register {
            username: "ann".into(),
            display_name: "Ann".into(),
            email: None,
            password_hash: "x".into(),
            token_hash: [1; 32],
            device: Device::default(),
            lifetime: Duration::from_secs(60),
        };
        let mut register = |op: &Register| {
            db.write_transaction(|db| {
                op.run(&Anonymous, &mut Cx { db, now: NOW, rules: &Rules::OPEN, epoch: "epoch" }).map(drop)
            })
        };
        register(&op).unwrap();
        // The token hash belongs to another login, so the account is not created either.
        let mut other = op.clone();
        (other.username, other.display_name) = ("bob".into(), "Bob".into());
        assert!(register(&other).is_err());
        other.token_hash = [2; 32];
        register(&other).unwrap();
    }
    both_databases!(an_account_and_its_first_login_are_created_atomically);
}
