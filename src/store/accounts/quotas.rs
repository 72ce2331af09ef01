//! What each person used of their daily quotas. The database counts, so that
//! all nodes count together.

use crate::error::Result;
use crate::ids::{Timestamp, UserId};
use crate::store::schema::quotas;
use crate::store::{Db, on};
use diesel::prelude::*;

/// What a quota is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Groups that a person made.
    Groups,
    /// Strangers that a person brought into groups.
    Strangers,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Groups => "groups",
            Kind::Strangers => "strangers",
        }
    }

    /// What a refusal says.
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

/// When a person used each quota, and how much of it, after `since`, the oldest
/// first. As each use is at least 1, they are no more than the quotas.
pub fn list_used(db: &mut Db, user_id: UserId, since: Timestamp) -> Result<Vec<Used>> {
    Ok(on!(db, conn => quotas::table.select((quotas::kind, quotas::at, quotas::amount))
        .filter(quotas::user_id.eq(user_id).and(quotas::at.gt(since)))
        .order(quotas::at).load(conn))?)
}

/// Uses up an amount of each quota named.
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

/// Forgets what was used before.
pub fn delete_before(db: &mut Db, time: Timestamp) -> Result<()> {
    on!(db, conn => diesel::delete(quotas::table.filter(quotas::at.le(time))).execute(conn))?;
    Ok(())
}
