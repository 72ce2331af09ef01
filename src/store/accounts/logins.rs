//! Logins: one row for each device. The token itself is never stored.

use crate::error::Result;
use crate::ids::{LoginId, Timestamp, UserId};
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::messaging::members::CHUNK;
use crate::store::schema::{logins, users};
use crate::store::{Db, on};
use diesel::prelude::*;

/// A login whose account may be used.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Login {
    pub id: LoginId,
    pub user_id: UserId,
    pub last_used_at: Timestamp,
    /// Number of the user's last private change.
    pub private_rev: i64,
    /// How many groups the user is in.
    pub group_count: i64,
}

/// A login as its owner sees it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = logins)]
pub struct OwnLogin {
    pub id: LoginId,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    pub user_agent: Option<String>,
    pub ip: Option<String>,
}

pub struct NewLogin<'a> {
    pub user_id: UserId,
    /// SHA-256 of the token.
    pub token_hash: &'a [u8],
    pub user_agent: Option<&'a str>,
    pub ip: Option<&'a str>,
    pub created_at: Timestamp,
}

pub fn insert_login(db: &mut Db, new: &NewLogin) -> Result<LoginId> {
    let row = (
        logins::user_id.eq(new.user_id),
        logins::token_hash.eq(new.token_hash),
        logins::user_agent.eq(new.user_agent),
        logins::ip.eq(new.ip),
        logins::created_at.eq(new.created_at),
        logins::last_used_at.eq(new.created_at),
    );
    Ok(on!(db, conn => diesel::insert_into(logins::table).values(row).returning(logins::id).get_result(conn))?)
}

/// The key by which a login is looked up.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    /// SHA-256 of a cookie's token.
    TokenHash([u8; 32]),
    /// The id from a signed access token.
    Id(LoginId),
}

/// Finds the login if it was used after `not_before` and its account is neither disabled nor
/// closed.
pub fn find_login(db: &mut Db, key: Key, not_before: Timestamp) -> Result<Option<Login>> {
    on!(db, conn => {
        let usable = logins::table
            .inner_join(users::table)
            .select((logins::id, logins::user_id, logins::last_used_at, users::me, users::group_count))
            .filter(logins::last_used_at.gt(not_before))
            .filter(users::disabled_at.is_null().and(users::deleted_at.is_null()));
        Ok(match key {
            Key::TokenHash(hash) => usable.filter(logins::token_hash.eq(hash.to_vec())).first(conn).optional()?,
            Key::Id(id) => usable.filter(logins::id.eq(id)).first(conn).optional()?,
        })
    })
}

pub fn exists(db: &mut Db, id: LoginId) -> Result<bool> {
    Ok(on!(db, conn => diesel::select(diesel::dsl::exists(logins::table.filter(logins::id.eq(id)))).get_result(conn))?)
}

/// Returns the logins among `ids` that have not ended.
pub fn list_existing(db: &mut Db, ids: &[LoginId]) -> Result<Vec<LoginId>> {
    let mut existing = Vec::new();
    for ids in ids.chunks(CHUNK) {
        let ids = id_list(ids)?;
        let found: Vec<LoginId> =
            on!(db, conn => logins::table.select(logins::id).filter(logins::id.among(&ids)).load(conn))?;
        existing.extend(found);
    }
    Ok(existing)
}

/// Lists the user's logins that were used after `not_before`, the last used first.
pub fn list_own(db: &mut Db, user_id: UserId, not_before: Timestamp) -> Result<Vec<OwnLogin>> {
    Ok(on!(db, conn => logins::table.select(OwnLogin::as_select())
        .filter(logins::user_id.eq(user_id)).filter(logins::last_used_at.gt(not_before))
        .order((logins::last_used_at.desc(), logins::id.desc())).load(conn))?)
}

/// Sets the time of last use. It only moves forward, or back from a time that a wrong clock wrote.
/// A deleted login stays deleted.
pub fn set_last_used(db: &mut Db, ids: &[LoginId], at: Timestamp) -> Result<()> {
    for ids in ids.chunks(CHUNK) {
        let ids = id_list(ids)?;
        on!(db, conn => diesel::update(logins::table
                .filter(logins::id.among(&ids))
                .filter(logins::last_used_at.lt(at).or(logins::last_used_at.gt(at.with_skew()))))
            .set(logins::last_used_at.eq(at)).execute(conn))?;
    }
    Ok(())
}

/// Replaces the token of this login. The earlier token is invalid from now on.
pub fn set_token_hash(db: &mut Db, id: LoginId, hash: &[u8]) -> Result<()> {
    on!(db, conn => diesel::update(logins::table.filter(logins::id.eq(id)))
        .set(logins::token_hash.eq(hash)).execute(conn))?;
    Ok(())
}

/// Deletes a login. Returns false when the user has no such login.
pub fn delete_login(db: &mut Db, user_id: UserId, id: LoginId) -> Result<bool> {
    let gone = on!(db, conn => diesel::delete(logins::table
        .filter(logins::id.eq(id).and(logins::user_id.eq(user_id)))).execute(conn))?;
    Ok(gone == 1)
}

/// Deletes the user's logins on every other device. Returns the logins that ended.
pub fn delete_others(db: &mut Db, user_id: UserId, but: LoginId) -> Result<Vec<LoginId>> {
    Ok(on!(db, conn => diesel::delete(logins::table
        .filter(logins::user_id.eq(user_id).and(logins::id.ne(but)))).returning(logins::id).get_results(conn))?)
}

/// Keeps `most` logins of the user, the last used ones, and always keeps `newest`. Returns the
/// logins that ended.
pub fn delete_beyond(db: &mut Db, user_id: UserId, newest: LoginId, most: i64) -> Result<Vec<LoginId>> {
    let own = diesel::alias!(logins as own);
    let beyond = own
        .select(own.field(logins::id))
        .filter(own.field(logins::user_id).eq(user_id).and(own.field(logins::id).ne(newest)))
        .order((own.field(logins::last_used_at).desc(), own.field(logins::id).desc()))
        .limit(i64::MAX)
        .offset(most - 1);
    Ok(on!(db, conn => diesel::delete(logins::table.filter(logins::id.eq_any(beyond)))
        .returning(logins::id).get_results(conn))?)
}

/// Deletes the user's logins on every device.
pub fn delete_logins(db: &mut Db, user_id: UserId) -> Result<()> {
    on!(db, conn => diesel::delete(logins::table.filter(logins::user_id.eq(user_id))).execute(conn))?;
    Ok(())
}

/// Deletes the logins of one user that were not used since `not_before`.
pub fn delete_unused(db: &mut Db, user_id: UserId, not_before: Timestamp) -> Result<()> {
    on!(db, conn => diesel::delete(logins::table
        .filter(logins::user_id.eq(user_id)).filter(logins::last_used_at.le(not_before))).execute(conn))?;
    Ok(())
}
