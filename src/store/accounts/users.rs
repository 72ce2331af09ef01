//! Accounts.

use super::{logins, user_words};
use crate::error::{Error, Result};
use crate::ids::{Timestamp, UserId};
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::messaging::members::CHUNK;
use crate::store::schema::{blocks, users};
use crate::store::{Db, on};
use crate::text::DELETED_USER;
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use std::collections::HashMap;

/// The public facts of an account, and `email`, which only its owner may see.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct User {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub email: Option<String>,
    pub created_at: Timestamp,
    /// The time when the account was closed.
    pub deleted_at: Option<Timestamp>,
}

pub struct NewUser<'a> {
    pub username: &'a str,
    pub display_name: &'a str,
    pub email: Option<&'a str>,
    /// `None`: the user cannot log in here.
    pub password_hash: Option<&'a str>,
    /// Issuer and subject, for a user of another system.
    pub external: Option<(&'a str, &'a str)>,
    pub created_at: Timestamp,
}

#[cfg(test)]
impl<'a> NewUser<'a> {
    /// A user of whom only the name matters.
    pub fn named(username: &'a str) -> Self {
        Self {
            username,
            display_name: username,
            email: None,
            password_hash: None,
            external: None,
            created_at: Timestamp::from_millis(0),
        }
    }
}

/// The key that makes usernames equal. They are ASCII, so lower case is enough.
fn username_key(username: &str) -> String {
    username.to_ascii_lowercase()
}

/// Creates an account. Fails with `UsernameTaken` when another account has that name in any case,
/// or belongs to the same user of another system.
pub fn insert_user(db: &mut Db, new: &NewUser) -> Result<User> {
    let row = (
        users::username.eq(new.username),
        users::username_key.eq(username_key(new.username)),
        users::display_name.eq(new.display_name),
        users::email.eq(new.email),
        users::password_hash.eq(new.password_hash),
        users::external_issuer.eq(new.external.map(|(issuer, _)| issuer)),
        users::external_subject.eq(new.external.map(|(_, subject)| subject)),
        users::created_at.eq(new.created_at),
    );
    let inserted = on!(db, conn => diesel::insert_into(users::table)
        .values(row).on_conflict_do_nothing().returning(User::as_returning()).get_result(conn).optional())?;
    let user = inserted.ok_or(Error::UsernameTaken)?;
    user_words::insert(db, &[(user.id, &user.username, &user.display_name)])?;
    Ok(user)
}

/// Whether an account has this username in any case, or had it when it was closed.
pub fn is_username_taken(db: &mut Db, username: &str) -> Result<bool> {
    let named = users::username_key.eq(username_key(username));
    Ok(on!(db, conn => diesel::select(exists(users::table.filter(named))).get_result(conn))?)
}

pub fn find_user(db: &mut Db, id: UserId) -> Result<Option<User>> {
    let found =
        on!(db, conn => users::table.select(User::as_select()).filter(users::id.eq(id)).first(conn).optional())?;
    Ok(found)
}

/// Finds the account of a user of another system.
pub fn find_external(db: &mut Db, issuer: &str, subject: &str) -> Result<Option<UserId>> {
    Ok(on!(db, conn => users::table.select(users::id)
        .filter(users::external_issuer.eq(issuer).and(users::external_subject.eq(subject)))
        .first(conn).optional())?)
}

/// Lists the accounts by id. Unknown ids are left out.
pub fn list_by_ids(db: &mut Db, ids: &[UserId]) -> Result<Vec<User>> {
    let ids = id_list(ids)?;
    Ok(
        on!(db, conn => users::table.select(User::as_select()).filter(users::id.among(&ids)).order(users::id).load(conn))?,
    )
}

/// Finds the account and its password hash. Returns `None` for an unknown name, for an account
/// without a password and for a closed account. The caller checks whether the account is disabled
/// after the password was right.
pub fn find_credentials(db: &mut Db, username: &str) -> Result<Option<(UserId, String)>> {
    let found: Option<(UserId, Option<String>)> = on!(db, conn => users::table
        .select((users::id, users::password_hash))
        .filter(users::username_key.eq(username_key(username)))
        .filter(users::deleted_at.is_null())
        .first(conn).optional())?;
    Ok(found.and_then(|(id, hash)| hash.map(|hash| (id, hash))))
}

/// Returns `None` for an account without a password and for a closed one.
pub fn find_password_hash(db: &mut Db, id: UserId) -> Result<Option<String>> {
    let found: Option<Option<String>> = on!(db, conn => users::table
        .select(users::password_hash).filter(users::id.eq(id)).first(conn).optional())?;
    Ok(found.flatten())
}

pub fn set_password_hash(db: &mut Db, id: UserId, hash: &str) -> Result<()> {
    on!(db, conn => diesel::update(users::table.filter(users::id.eq(id)))
        .set(users::password_hash.eq(hash)).execute(conn))?;
    Ok(())
}

/// Whether the account is an administrator. It is never cached, because another process may change
/// it.
pub fn is_admin(db: &mut Db, id: UserId) -> Result<bool> {
    let is_admin = users::id.eq(id).and(users::role.eq("admin"));
    Ok(on!(db, conn => diesel::select(exists(users::table.filter(is_admin))).get_result(conn))?)
}

/// The result of a command about the account with some username.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appointed {
    Done,
    /// The account already had this state.
    Already,
    /// No account has that name.
    NotFound,
}

/// Sets the password of the account with this username, and ends its logins. Returns `NotFound` for
/// an account that is closed or of another system.
pub fn set_password(db: &mut Db, username: &str, hash: &str) -> Result<Appointed> {
    let named = users::username_key.eq(username_key(username)).and(users::deleted_at.is_null());
    let is_ours = users::external_issuer.is_null();
    let found: Option<UserId> =
        on!(db, conn => users::table.select(users::id).filter(named.and(is_ours)).first(conn).optional())?;
    let Some(id) = found else { return Ok(Appointed::NotFound) };
    set_password_hash(db, id, hash)?;
    logins::delete_logins(db, id)?;
    Ok(Appointed::Done)
}

/// Grants or revokes administrator rights, and ends the account's logins. A secret that was stolen
/// before must not become an administrator's.
pub fn set_admin(db: &mut Db, username: &str, is_admin: bool) -> Result<Appointed> {
    let named = users::username_key.eq(username_key(username)).and(users::deleted_at.is_null());
    let found: Option<(UserId, String)> =
        on!(db, conn => users::table.select((users::id, users::role)).filter(named).first(conn).optional())?;
    let wanted = if is_admin { "admin" } else { "user" };
    match found {
        None => Ok(Appointed::NotFound),
        Some((_, role)) if role == wanted => Ok(Appointed::Already),
        Some((id, _)) => {
            on!(db, conn => diesel::update(users::table.filter(users::id.eq(id)))
                .set(users::role.eq(wanted)).execute(conn))?;
            logins::delete_logins(db, id)?;
            Ok(Appointed::Done)
        }
    }
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    Active,
    Disabled,
    Closed,
}

/// The times when an account was disabled and when it was closed.
type Since = (Option<Timestamp>, Option<Timestamp>);

impl AccountStatus {
    fn of(since: Since) -> Self {
        match since {
            (_, Some(_)) => Self::Closed,
            (Some(_), None) => Self::Disabled,
            (None, None) => Self::Active,
        }
    }
}

pub fn get_account_status(db: &mut Db, id: UserId) -> Result<AccountStatus> {
    let since: Since = on!(db, conn => users::table
        .select((users::disabled_at, users::deleted_at)).filter(users::id.eq(id)).first(conn))?;
    Ok(AccountStatus::of(since))
}

/// Lists the users among `people` whose account may not be used.
pub fn list_inactive(db: &mut Db, people: &[UserId]) -> Result<Vec<(UserId, AccountStatus)>> {
    let mut inactive = Vec::new();
    for people in people.chunks(CHUNK) {
        let people = id_list(people)?;
        let found: Vec<(UserId, Since)> = on!(db, conn => users::table
            .select((users::id, (users::disabled_at, users::deleted_at)))
            .filter(users::id.among(&people))
            .filter(users::disabled_at.is_not_null().or(users::deleted_at.is_not_null()))
            .order(users::id).load(conn))?;
        inactive.extend(found.into_iter().map(|(id, since)| (id, AccountStatus::of(since))));
    }
    Ok(inactive)
}

pub fn is_disabled(db: &mut Db, id: UserId) -> Result<bool> {
    let is_disabled = users::id.eq(id).and(users::disabled_at.is_not_null());
    Ok(on!(db, conn => diesel::select(exists(users::table.filter(is_disabled))).get_result(conn))?)
}

/// Disables the account since this time. `None` enables it again.
pub fn set_disabled(db: &mut Db, id: UserId, since: Option<Timestamp>) -> Result<()> {
    on!(db, conn => diesel::update(users::table.filter(users::id.eq(id)))
        .set(users::disabled_at.eq(since)).execute(conn))?;
    refresh_words(db, id)
}

/// Deletes the user's personal data but keeps the username reserved, so that no other user can
/// impersonate them. No user can register the name that is shown instead.
pub fn close(db: &mut Db, id: UserId, now: Timestamp) -> Result<()> {
    let changes = (
        users::username.eq(format!("deleted:{id}")),
        users::display_name.eq(DELETED_USER),
        users::email.eq(None::<String>),
        users::password_hash.eq(None::<String>),
        users::role.eq("user"),
        users::last_seen_at.eq(None::<Timestamp>),
        users::deleted_at.eq(Some(now)),
    );
    on!(db, conn => diesel::update(users::table.filter(users::id.eq(id))).set(changes).execute(conn))?;
    refresh_words(db, id)
}

/// Lists the users among `ids` whom `me` may find, in the given order: accounts in use, without a
/// block between the two.
pub fn list_findable(db: &mut Db, me: UserId, ids: &[UserId]) -> Result<Vec<User>> {
    let keys = id_list(ids)?;
    let is_between = (blocks::user_id.eq(me).and(blocks::blocked_id.eq(users::id)))
        .or(blocks::blocked_id.eq(me).and(blocks::user_id.eq(users::id)));
    let is_blocked = exists(blocks::table.filter(blocks::removed_at.is_null()).filter(is_between));
    let mut found: Vec<User> = on!(db, conn => users::table.select(User::as_select())
        .filter(users::id.among(&keys))
        .filter(not(is_blocked))
        .filter(users::deleted_at.is_null().and(users::disabled_at.is_null())).load(conn))?;
    let position: HashMap<UserId, usize> = ids.iter().enumerate().map(|(position, id)| (*id, position)).collect();
    found.sort_by_key(|user| position.get(&user.id).copied());
    Ok(found)
}

pub fn set_email(db: &mut Db, id: UserId, email: Option<&str>) -> Result<()> {
    on!(db, conn => diesel::update(users::table.filter(users::id.eq(id)))
        .set(users::email.eq(email)).execute(conn))?;
    Ok(())
}

pub fn set_display_name(db: &mut Db, id: UserId, display_name: &str) -> Result<()> {
    on!(db, conn => diesel::update(users::table.filter(users::id.eq(id)))
        .set(users::display_name.eq(display_name)).execute(conn))?;
    refresh_words(db, id)
}

/// Updates the user's words. Runs after a change that decides by which words the user is found.
fn refresh_words(db: &mut Db, id: UserId) -> Result<()> {
    user_words::delete(db, &[id])?;
    let active = users::id.eq(id).and(users::deleted_at.is_null()).and(users::disabled_at.is_null());
    let names: Option<(String, String)> = on!(db, conn => users::table
        .select((users::username, users::display_name)).filter(active).first(conn).optional())?;
    match names {
        Some((username, display_name)) => user_words::insert(db, &[(id, &username, &display_name)]),
        None => Ok(()),
    }
}

/// Sets when these users were last seen. The time only moves forward, so a late announcement does
/// not turn it back. It moves back only from a time that a wrong clock wrote. One statement takes
/// about a thousand users at most.
pub fn set_last_seen(db: &mut Db, ids: &[UserId], at: Timestamp) -> Result<()> {
    let ids = id_list(ids)?;
    on!(db, conn => diesel::update(users::table
            .filter(users::id.among(&ids).and(users::deleted_at.is_null()))
            .filter(users::last_seen_at.is_null().or(users::last_seen_at.lt(at)).or(users::last_seen_at.gt(at.with_skew()))))
        .set(users::last_seen_at.eq(at)).execute(conn))?;
    Ok(())
}

/// Lists when users who have an account were last seen. Closed accounts are absent.
pub fn list_last_seen(db: &mut Db, ids: &[UserId]) -> Result<HashMap<UserId, Option<Timestamp>>> {
    let ids = id_list(ids)?;
    let found: Vec<(UserId, Option<Timestamp>)> = on!(db, conn => users::table
        .select((users::id, users::last_seen_at))
        .filter(users::id.among(&ids).and(users::deleted_at.is_null())).load(conn))?;
    Ok(found.into_iter().collect())
}

/// Lists how many groups users are in.
pub fn list_group_counts(db: &mut Db, ids: &[UserId]) -> Result<HashMap<UserId, i64>> {
    let ids = id_list(ids)?;
    let found: Vec<(UserId, i64)> = on!(db, conn => users::table
        .select((users::id, users::group_count)).filter(users::id.among(&ids)).load(conn))?;
    Ok(found.into_iter().collect())
}

pub fn find_last_seen(db: &mut Db, id: UserId) -> Result<Option<Timestamp>> {
    let found: Option<Option<Timestamp>> = on!(db, conn => users::table
        .select(users::last_seen_at).filter(users::id.eq(id)).first(conn).optional())?;
    Ok(found.flatten())
}

/// Marks or unmarks a user whose groups are to be left or need an owner.
pub fn set_groups_due(db: &mut Db, id: UserId, since: Option<Timestamp>) -> Result<()> {
    on!(db, conn => diesel::update(users::table.filter(users::id.eq(id)))
        .set(users::groups_due_at.eq(since)).execute(conn))?;
    Ok(())
}

/// Finds the user who has been marked for longest.
pub fn find_groups_due(db: &mut Db) -> Result<Option<UserId>> {
    Ok(on!(db, conn => users::table.select(users::id).filter(users::groups_due_at.is_not_null())
        .order(users::groups_due_at).first(conn).optional())?)
}

/// The number of groups that a user is in.
pub fn get_group_count(db: &mut Db, id: UserId) -> Result<i64> {
    Ok(on!(db, conn => users::table.select(users::group_count).filter(users::id.eq(id)).first(conn))?)
}

/// The number of the user's next private change.
pub fn next_private_rev(db: &mut Db, id: UserId) -> Result<i64> {
    Ok(on!(db, conn => diesel::update(users::table.filter(users::id.eq(id)))
        .set(users::me.eq(users::me + 1)).returning(users::me).get_result(conn))?)
}

/// The number of the user's last private change.
pub fn get_private_rev(db: &mut Db, id: UserId) -> Result<i64> {
    Ok(on!(db, conn => users::table.select(users::me).filter(users::id.eq(id)).first(conn))?)
}
