//! The use of daily quotas by each user. The database counts, so all nodes share the count.

use crate::error::Result;
use crate::ids::{Timestamp, UserId};
use crate::store::schema::quotas;
use crate::store::{Db, on};
use diesel::prelude::*;

/// The kind of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Groups that a user created.
    Groups,
    /// Strangers whom a user added to groups.
    Strangers,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Groups => "groups",
            Kind::Strangers => "strangers",
        }
    }

    /// The text of a refusal.
    pub const fn limit(self) -> &'static str {
        match self {
            Kind::Groups => "groups made in a day",
            Kind::Strangers => "strangers added to groups in a day",
        }
    }
}

/// One use of a quota.
#[derive(Clone, Debug, Queryable)]
pub struct Used {
    kind: String,
    pub at: Timestamp,
    pub amount: i64,
}

impl Used {
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind.name()
    }
}

/// Lists when a user used each quota after `since`, and how much of it, the oldest first. Each use
/// is at least 1, so the list is no longer than the quotas.
pub fn list_used(db: &mut Db, user_id: UserId, since: Timestamp) -> Result<Vec<Used>> {
    Ok(on!(db, conn => quotas::table.select((quotas::kind, quotas::at, quotas::amount))
        .filter(quotas::user_id.eq(user_id).and(quotas::at.gt(since)))
        .order(quotas::at).load(conn))?)
}

/// Uses up an amount of each named quota.
pub fn use_up(db: &mut Db, user_id: UserId, amounts: &[(Kind, i64)], now: Timestamp) -> Result<()> {
    for (kind, amount) in amounts {
        let row =
            (quotas::user_id.eq(user_id), quotas::kind.eq(kind.name()), quotas::at.eq(now), quotas::amount.eq(amount));
        on!(db, conn => diesel::insert_into(quotas::table).values(row)
            .on_conflict((quotas::user_id, quotas::kind, quotas::at)).do_update()
            .set(quotas::amount.eq(quotas::amount + amount)).execute(conn))?;
    }
    Ok(())
}

/// Deletes the uses before this time.
pub fn delete_before(db: &mut Db, time: Timestamp) -> Result<()> {
    on!(db, conn => diesel::delete(quotas::table.filter(quotas::at.le(time))).execute(conn))?;
    Ok(())
}
