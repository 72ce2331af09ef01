//! `POST /api/admin/users/{user_id}/disable` and `/enable`: disables or enables an account. Disabling
//! ends its logins on every device, and passes on the groups that have no other owner. Enabling
//! restores neither.

use super::admin::check_admin;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::ops::groups::settle_groups::settle;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::store::Cost;
use crate::store::accounts::{logins, users};
use crate::wire::Effect;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct SetDisabled {
    pub user_id: UserId,
    pub is_disabled: bool,
}

impl Op for SetDisabled {
    type Output = Done;
    const NAME: &'static str = "set_disabled";
    const ACCESS: Access = Access::Write;
    const COST: Cost = Cost::Heavy;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        check_admin(caller, cx)?;
        let id = self.user_id;
        if self.is_disabled && id == caller.user_id {
            return Err(Error::Invalid("administrators cannot disable their own account".into()));
        }
        users::find_user(cx.db, id)?.ok_or(Error::NotFound("no such user"))?;
        users::set_disabled(cx.db, id, self.is_disabled.then_some(cx.now))?;
        let mut effects = Vec::new();
        if self.is_disabled {
            logins::delete_logins(cx.db, id)?;
            effects.push(Effect::AccountDisabled(id));
        }
        effects.extend(settle(id, cx)?);
        Ok(Outcome { output: Done {}, effects })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{LoginId, Timestamp};
    use crate::ops::logins::log_in::{Device, LogIn};
    use crate::ops::logins::open_session::OpenSession;
    use crate::ops::op::Anonymous;
    use crate::policy::Rules;
    use crate::store::prepare;
    use crate::store::scratch::{Scratch, both_databases, execute};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);
    const ADMIN: Caller = Caller { user_id: UserId::new(1), login_id: Some(LoginId::new(1)), session_id: None };
    const OTHER: Caller = Caller { user_id: UserId::new(2), login_id: Some(LoginId::new(2)), session_id: None };

    const PEOPLE: &str = "
        INSERT INTO users (username, username_key, display_name, password_hash, role, created_at)
            VALUES ('ann', 'ann', 'Ann', 'x', 'admin', 0);
        INSERT INTO users (username, username_key, display_name, password_hash, created_at)
            VALUES ('bob', 'bob', 'Bob', 'x', 0);";

    fn log_in(cx: &mut Cx, caller: &Caller) -> Result<()> {
        let op = LogIn {
            attempt: None,
            user_id: caller.user_id,
            checked_hash: "x".into(),
            token_hash: [caller.user_id.get() as u8; 32],
            device: Device::default(),
            new_password_hash: None,
            lifetime: Duration::from_secs(60),
        };
        op.run(&Anonymous, cx).map(drop)
    }

    fn error_of<T>(outcome: Result<T>) -> String {
        outcome.map(drop).unwrap_err().to_string()
    }

    /// Covers a login that was in progress when the account was disabled.
    fn a_login_in_progress_is_refused_once_disabled(scratch: Scratch) {
        let mut db = scratch.open();
        prepare(&mut db, NOW).unwrap();
        execute(&mut db, PEOPLE).unwrap();
        let cx = &mut Cx { db: &mut db, now: NOW, rules: &Rules::OPEN, epoch: "epoch" };
        for caller in [ADMIN, OTHER] {
            log_in(cx, &caller).unwrap();
            OpenSession.run(&caller, cx).unwrap();
        }
        let effects = SetDisabled { user_id: OTHER.user_id, is_disabled: true }.run(&ADMIN, cx).unwrap().effects;
        assert!(matches!(effects[..], [Effect::AccountDisabled(id)] if id == OTHER.user_id));
        assert_eq!(error_of(log_in(cx, &OTHER)), "forbidden: this account is disabled");
        assert_eq!(error_of(OpenSession.run(&OTHER, cx)), "forbidden: this account is disabled");
        OpenSession.run(&ADMIN, cx).unwrap();
        SetDisabled { user_id: OTHER.user_id, is_disabled: false }.run(&ADMIN, cx).unwrap();
        assert_eq!(
            error_of(OpenSession.run(&OTHER, cx)),
            "unauthenticated: the sign-in session has ended: log in again"
        );
        log_in(cx, &OTHER).unwrap();
    }
    both_databases!(a_login_in_progress_is_refused_once_disabled);
}
