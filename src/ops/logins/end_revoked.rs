//! Ends the sessions of users who were revoked outside this node. Another node ended a login or
//! disabled an account, or an operator did so in the database.

use crate::error::Result;
use crate::ids::{LoginId, UserId};
use crate::ops::op::{Access, Cx, Done, Op, Outcome, System};
use crate::store::accounts::logins;
use crate::store::accounts::revocations::{self, Revocation};
use crate::store::accounts::users::{self, AccountStatus};
use crate::wire::Effect;
use std::collections::HashSet;

/// The owner of sessions on this node. Without a login, an external identity provider
/// authenticated the user.
type Owner = (UserId, Option<LoginId>);

/// Maximum number of revocations in one answer.
pub const MAX_LISTED: i64 = 1_000;

/// First half: lists the revocations after this one, at most `MAX_LISTED`, ascending. It writes
/// nothing, so a look every second costs the writer nothing.
#[derive(Clone, Copy, Debug)]
pub struct ListRevocations {
    pub after: i64,
}

impl Op<System> for ListRevocations {
    type Output = Vec<Revocation>;
    const NAME: &'static str = "list_revocations";
    const ACCESS: Access = Access::Read;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Vec<Revocation>>> {
        Ok(Outcome::without_effects(revocations::list_revocations(cx.db, self.after, MAX_LISTED)?))
    }
}

/// Deletes the revocations up to this one, which every node has seen.
#[derive(Clone, Copy, Debug)]
pub struct DeleteRevocations {
    pub upto: i64,
}

impl Op<System> for DeleteRevocations {
    type Output = Done;
    const NAME: &'static str = "delete_revocations";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Done>> {
        revocations::delete_revocations(cx.db, self.upto)?;
        Ok(Outcome::without_effects(Done {}))
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

    /// A session that the user opens after the account is enabled again stays open.
    fn an_account_enabled_after_it_was_listed_keeps_its_sessions(scratch: Scratch) {
        let mut db = scratch.open();
        prepare(&mut db, NOW).unwrap();
        execute(&mut db, PEOPLE).unwrap();
        let cx = &mut Cx { db: &mut db, now: NOW, rules: &Rules::OPEN, epoch: "epoch" };
        let bob = UserId::new(2);
        let list = |cx: &mut Cx, after| -> Vec<Owner> {
            let listed = ListRevocations { after }.run(&System, cx).unwrap().output;
            listed.iter().map(|revoked| (revoked.user_id, revoked.login_id)).collect()
        };
        assert_eq!(list(cx, 0), []);
        users::set_disabled(cx.db, bob, Some(NOW)).unwrap();
        logins::delete_logins(cx.db, bob).unwrap();
        let owners = list(cx, 0);
        assert_eq!(owners, [(bob, None), (bob, Some(LoginId::new(2)))]);
        assert_eq!(list(cx, 1), owners[1..]);
        users::set_disabled(cx.db, bob, None).unwrap();
        assert_eq!(list(cx, 2), [], "enabling an account revokes nothing");
        let effects = EndRevoked { owners }.run(&System, cx).unwrap().effects;
        assert!(matches!(effects[..], [Effect::LoginEnded(login)] if login == LoginId::new(2)), "{effects:?}");
        DeleteRevocations { upto: 1 }.run(&System, cx).unwrap();
        assert_eq!(list(cx, 0), [(bob, Some(LoginId::new(2)))]);
    }
    both_databases!(an_account_enabled_after_it_was_listed_keeps_its_sessions);
}
