//! Ends the sessions of those who were shut out where the hub did not hear of
//! it: another node ended a login or disabled an account, or somebody did in
//! the database.

use super::{Access, Cx, Done, Op, Outcome, System};
use crate::error::Result;
use crate::ids::{LoginId, UserId};
use crate::store::logins;
use crate::store::users::{self, Standing};
use crate::wire::Event;
use std::collections::HashSet;

#[derive(Clone, Debug)]
pub struct EndRevoked {
    /// Who has sessions here; without a login, whoever another system vouches
    /// for. In order of the people.
    pub holders: Vec<(UserId, Option<LoginId>)>,
}

impl Op<System> for EndRevoked {
    type Output = Done;

    fn name(&self) -> &'static str {
        "end_revoked"
    }

    fn access(&self) -> Access {
        Access::Read
    }

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Done>> {
        let mut people: Vec<UserId> = self.holders.iter().map(|(user_id, _)| *user_id).collect();
        people.dedup();
        let mut events = Vec::new();
        for (user_id, standing) in users::list_barred(cx.db, &people)? {
            events.push(match standing {
                Standing::Disabled => Event::AccountDisabled(user_id),
                _ => Event::LoginsEnded(user_id),
            });
        }
        let shown: Vec<LoginId> = self.holders.iter().filter_map(|(_, login_id)| *login_id).collect();
        let there: HashSet<LoginId> = logins::list_existing(cx.db, &shown)?.into_iter().collect();
        events.extend(shown.into_iter().filter(|login_id| !there.contains(login_id)).map(Event::LoginEnded));
        Ok(Outcome { output: Done {}, events })
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

    fn whoever_may_not_be_here_any_more_is_found_and_nobody_else(scratch: Scratch) {
        let mut db = scratch.open();
        prepare(&mut db, NOW).unwrap();
        execute(&mut db, PEOPLE).unwrap();
        let cx = &mut Cx { db: &mut db, now: NOW, rules: &Rules::OPEN, epoch: "epoch" };
        // By a login, by one that has ended, and by the word of another system.
        let holders = (1..=3).flat_map(|user| [None, Some(user), Some(user + 10)].map(|login| (user, login)));
        let holders = holders.map(|(user, login)| (UserId::new(user), login.map(LoginId::new))).collect();
        let events = EndRevoked { holders }.run(&System, cx).unwrap().events;
        let told: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
        let expected = [
            "AccountDisabled(UserId(2))",
            "LoginsEnded(UserId(3))",
            "LoginEnded(LoginId(11))",
            "LoginEnded(LoginId(12))",
            "LoginEnded(LoginId(3))",
            "LoginEnded(LoginId(13))",
        ];
        assert_eq!(told, expected);
        assert!(EndRevoked { holders: vec![] }.run(&System, cx).unwrap().events.is_empty());
    }
    both_databases!(whoever_may_not_be_here_any_more_is_found_and_nobody_else);
}
