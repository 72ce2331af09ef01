//! The index of names, filled in once after an upgrade.

use super::user_words::{delete, insert};
use crate::error::Result;
use crate::ids::UserId;
use crate::search;
use crate::store::schema::{user_words_progress, users};
use crate::store::{Db, on};
use diesel::prelude::*;

/// The number of users that one transaction fills in.
const FILL: i64 = 1_000;
/// Writes the words of this version for every user who does not have them, in portions. An
/// interrupted fill continues where it stopped. Another node may fill at the same time.
pub(crate) fn fill(db: &mut Db) -> Result<()> {
    let mut people = 0;
    while let Some(portion) = db.write_transaction(fill_next)? {
        people += portion;
        if portion > 0 && people % (100 * FILL as usize) == 0 {
            log::info!("indexed the names of {people} people");
        }
    }
    Ok(())
}

/// Fills in the next users and returns their number. Returns `None` when all users are done.
fn fill_next(db: &mut Db) -> Result<Option<usize>> {
    let progress = user_words_progress::table.select((user_words_progress::version, user_words_progress::filled_upto));
    let (version, upto): (i64, i64) = match db {
        Db::Sqlite(conn) => progress.first(conn)?,
        Db::Postgres(conn) => progress.for_update().first(conn)?,
    };
    let upto = if version == search::VERSION { upto } else { 0 };
    if upto == i64::MAX {
        return Ok(None);
    }
    let next: Vec<(UserId, String, String)> = on!(db, conn => users::table
        .select((users::id, users::username, users::display_name))
        .filter(users::id.gt(upto).and(users::deleted_at.is_null()).and(users::disabled_at.is_null()))
        .order(users::id).limit(FILL).load(conn))?;
    let ids: Vec<UserId> = next.iter().map(|(id, ..)| *id).collect();
    delete(db, &ids)?;
    let people: Vec<_> = next.iter().map(|(id, username, name)| (*id, username.as_str(), name.as_str())).collect();
    insert(db, &people)?;
    let upto = ids.last().map_or(i64::MAX, |id| id.get());
    let row = (user_words_progress::version.eq(search::VERSION), user_words_progress::filled_upto.eq(upto));
    on!(db, conn => diesel::update(user_words_progress::table).set(row).execute(conn))?;
    Ok(Some(ids.len()))
}
