//! `POST /api/auth/password`: changes the password and ends the user's other logins. Both passwords
//! arrive hashed.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ops::logins::find_password::check_still;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::store::accounts::{logins, users};
use crate::wire::Effect;

#[derive(Clone, Debug)]
pub struct SetPassword {
    /// The stored hash that the current password was checked against.
    pub checked_hash: String,
    pub new_hash: String,
    /// SHA-256 of the token that proves the caller's login from now on. With none, the login keeps
    /// its token.
    pub token_hash: Option<[u8; 32]>,
}

impl Op for SetPassword {
    type Output = Done;
    const NAME: &'static str = "set_password";
    const ACCESS: Access = Access::Write;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        const ENDED: Error = Error::Unauthenticated("the sign-in session has ended: log in again");
        let login_id = caller.login_id.ok_or(ENDED)?;
        if !logins::exists(cx.db, login_id)? {
            return Err(ENDED);
        }
        check_still(caller.user_id, &self.checked_hash, cx)?;
        users::set_password_hash(cx.db, caller.user_id, &self.new_hash)?;
        if let Some(hash) = &self.token_hash {
            logins::set_token_hash(cx.db, login_id, hash)?;
        }
        let ended = logins::delete_others(cx.db, caller.user_id, login_id)?;
        Ok(Outcome { output: Done {}, effects: ended.into_iter().map(Effect::LoginEnded).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{LoginId, Timestamp, UserId};
    use crate::ops::logins::log_in::{Device, LogIn};
    use crate::ops::op::Anonymous;
    use crate::policy::Rules;
    use crate::store::prepare;
    use crate::store::scratch::{Scratch, both_databases, execute};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);
    const ANN: UserId = UserId::new(1);

    fn log_in(number: u8, checked_hash: &str, cx: &mut Cx) -> Result<Vec<Effect>> {
        let op = LogIn {
            attempt: None,
            user_id: ANN,
            checked_hash: checked_hash.into(),
            token_hash: [number; 32],
            device: Device::default(),
            new_password_hash: None,
            lifetime: Duration::from_secs(60),
        };
        Ok(op.run(&Anonymous, cx)?.effects)
    }

    fn change(login: i64, from: &str, to: &str, cx: &mut Cx) -> Result<Vec<Effect>> {
        let caller = Caller { user_id: ANN, login_id: Some(LoginId::new(login)), session_id: None };
        let op = SetPassword { checked_hash: from.into(), new_hash: to.into(), token_hash: None };
        Ok(op.run(&caller, cx)?.effects)
    }

    /// Covers a login, and a second password change, that checked the old password before the
    /// change.
    fn a_password_verified_before_its_change_is_no_longer_valid(scratch: Scratch) {
        let mut db = scratch.open();
        prepare(&mut db, NOW).unwrap();
        let person = "INSERT INTO users (username, username_key, display_name, password_hash, created_at)
            VALUES ('ann', 'ann', 'Ann', 'first', 0)";
        execute(&mut db, person).unwrap();
        let cx = &mut Cx { db: &mut db, now: NOW, rules: &Rules::OPEN, epoch: "epoch" };
        log_in(1, "first", cx).unwrap();
        log_in(2, "first", cx).unwrap();
        let ended = change(1, "first", "second", cx).unwrap();
        assert!(matches!(ended[..], [Effect::LoginEnded(id)] if id == LoginId::new(2)), "{ended:?}");
        assert!(matches!(log_in(3, "first", cx), Err(Error::Conflict(_))));
        assert!(matches!(change(1, "first", "third", cx), Err(Error::Conflict(_))));
        assert!(matches!(change(2, "second", "third", cx), Err(Error::Unauthenticated(_))));
        log_in(4, "second", cx).unwrap();
        assert_eq!(change(1, "second", "third", cx).unwrap().len(), 1);
    }
    both_databases!(a_password_verified_before_its_change_is_no_longer_valid);
}
