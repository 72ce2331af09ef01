//! The logins and accounts that were revoked, by any hub, command or operator. Triggers of the
//! database write the rows.

use crate::error::Result;
use crate::ids::{LoginId, UserId};
use crate::store::schema::revocations;
use crate::store::{Db, on};
use diesel::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable)]
pub struct Revocation {
    pub id: i64,
    pub user_id: UserId,
    /// None when the account was disabled or closed.
    pub login_id: Option<LoginId>,
}

/// Lists the revocations after this one, ascending. Where several nodes write, one with a lower id
/// may become visible later.
pub fn list_revocations(db: &mut Db, after: i64, limit: i64) -> Result<Vec<Revocation>> {
    Ok(on!(db, conn => revocations::table
        .select((revocations::id, revocations::user_id, revocations::login_id))
        .filter(revocations::id.gt(after)).order(revocations::id).limit(limit).load(conn))?)
}

/// Deletes the revocations up to this one.
pub fn delete_revocations(db: &mut Db, upto: i64) -> Result<()> {
    on!(db, conn => diesel::delete(revocations::table.filter(revocations::id.le(upto))).execute(conn))?;
    Ok(())
}
