//! Ends the sessions of users who were revoked outside this node. Another node ended a login or
//! disabled an account, or an operator did so in the database.

use crate::error::Result;
use crate::ids::{LoginId, UserId};
use crate::ops::op::{Access, Cx, Done, Op, Outcome, System};
use crate::store::accounts::logins;
use crate::store::accounts::users::{self, AccountStatus};
use crate::wire::Effect;
use std::collections::HashSet;

/// The owner of sessions on this node. Without a login, an external identity provider
/// authenticated the user.
type Owner = (UserId, Option<LoginId>);

/// First half: finds the owners that look revoked in a snapshot. It writes nothing, so a check
/// every few seconds costs the writer nothing.
#[derive(Clone, Debug)]
pub struct FindRevoked {
    /// The owners to check, sorted by user.
    pub owners: Vec<Owner>,
}

impl Op<System> for FindRevoked {
    type Output = Vec<Owner>;
    const NAME: &'static str = "find_revoked";
    const ACCESS: Access = Access::Read;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Vec<Owner>>> {
        let revoked = Revoked::among(&self.owners, cx)?;
        Ok(Outcome::without_effects(self.owners.iter().copied().filter(|owner| revoked.has(*owner)).collect()))
    }
}

/// Second half: ends the sessions of owners that are still revoked. The writer decides, so that its
/// order of effects holds. An account enabled in the meantime keeps the session that it opens then.
#[derive(Clone, Debug)]
pub struct EndRevoked {
    /// The owners to check again, sorted by user.
    pub owners: Vec<Owner>,
}

impl Op<System> for EndRevoked {
    type Output = Done;
    const NAME: &'static str = "end_revoked";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Done>> {
        let Revoked { accounts, logins } = Revoked::among(&self.owners, cx)?;
        let of_accounts = accounts.into_iter().map(|(user_id, status)| match status {
            AccountStatus::Disabled => Effect::AccountDisabled(user_id),
            _ => Effect::LoginsEnded(user_id),
        });
        Ok(Outcome {
            output: Done {},
            effects: of_accounts.chain(logins.into_iter().map(Effect::LoginEnded)).collect(),
        })
    }
}

/// The accounts and logins of some session owners that are no longer valid.
struct Revoked {
    accounts: Vec<(UserId, AccountStatus)>,
    logins: Vec<LoginId>,
}

impl Revoked {
    fn among(owners: &[Owner], cx: &mut Cx) -> Result<Self> {
        let mut people: Vec<UserId> = owners.iter().map(|(user_id, _)| *user_id).collect();
        people.dedup();
        let accounts = users::list_inactive(cx.db, &people)?;
        let mut logins: Vec<LoginId> = owners.iter().filter_map(|(_, login_id)| *login_id).collect();
        let existing: HashSet<LoginId> = logins::list_existing(cx.db, &logins)?.into_iter().collect();
        logins.retain(|login_id| !existing.contains(login_id));
        Ok(Self { accounts, logins })
    }

    fn has(&self, (user_id, login_id): Owner) -> bool {
        self.accounts.iter().any(|(account, _)| *account == user_id)
            || login_id.is_some_and(|login_id| self.logins.contains(&login_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Timestamp;
    use crate::policy::Rules;
    use crate::store::prepare;
    use crate::store::scratch::{Scratch, both_databases, execute};

    const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);
    const PEOPLE: &str = "
        INSERT INTO users (username, username_key, display_name, created_at, disabled_at, deleted_at) VALUES
            ('ann', 'ann', 'Ann', 0, NULL, NULL), ('bob', 'bob', 'Bob', 0, 1, NULL), ('cy', 'cy', 'Cy', 0, 1, 1);
        INSERT INTO logins (user_id, token_hash, created_at, last_used_at) VALUES (1, '1', 0, 0), (2, '2', 0, 0);";

    fn exactly_the_revoked_session_owners_are_found(scratch: Scratch) {
        let mut db = scratch.open();
        prepare(&mut db, NOW).unwrap();
        execute(&mut db, PEOPLE).unwrap();
        let cx = &mut Cx { db: &mut db, now: NOW, rules: &Rules::OPEN, epoch: "epoch" };
        // Each user has an owner with a login, one with an ended login, and one without a login.
        let owners = (1..=3).flat_map(|user| [None, Some(user), Some(user + 10)].map(|login| (user, login)));
        let owners = owners.map(|(user, login)| (UserId::new(user), login.map(LoginId::new))).collect();
        let effects = EndRevoked { owners }.run(&System, cx).unwrap().effects;
        let shown: Vec<String> = effects.iter().map(|event| format!("{event:?}")).collect();
        let expected = [
            "AccountDisabled(UserId(2))",
            "LoginsEnded(UserId(3))",
            "LoginEnded(LoginId(11))",
            "LoginEnded(LoginId(12))",
            "LoginEnded(LoginId(3))",
            "LoginEnded(LoginId(13))",
        ];
        assert_eq!(shown, expected);
        assert!(EndRevoked { owners: vec![] }.run(&System, cx).unwrap().effects.is_empty());
    }
    both_databases!(exactly_the_revoked_session_owners_are_found);

    /// A session that the user opens after the account is enabled is not among those checked
    /// before.
    fn an_account_enabled_during_the_check_keeps_its_new_session(scratch: Scratch) {
        let mut db = scratch.open();
        prepare(&mut db, NOW).unwrap();
        execute(&mut db, PEOPLE).unwrap();
        let cx = &mut Cx { db: &mut db, now: NOW, rules: &Rules::OPEN, epoch: "epoch" };
        let (bob, by_token) = ((UserId::new(2), Some(LoginId::new(12))), (UserId::new(2), None));
        let ann = (UserId::new(1), Some(LoginId::new(1)));
        let owners = FindRevoked { owners: vec![ann, by_token, bob] }.run(&System, cx).unwrap().output;
        assert_eq!(owners, [by_token, bob]);
        users::set_disabled(cx.db, UserId::new(2), None).unwrap();
        let effects = EndRevoked { owners }.run(&System, cx).unwrap().effects;
        assert!(matches!(effects[..], [Effect::LoginEnded(login)] if login == LoginId::new(12)), "{effects:?}");
    }
    both_databases!(an_account_enabled_during_the_check_keeps_its_new_session);
}
