//! The words in users' names.

use crate::error::Result;
use crate::ids::UserId;
use crate::search::name_words;
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::schema::user_words;
use crate::store::{Db, on};
use diesel::prelude::*;

/// Rows that one statement inserts: SQLite binds at most 32,766 values.
const ROWS: usize = 5_000;

/// Inserts the words of these users, given by id, username and display name. The users must not
/// have words yet.
pub fn insert(db: &mut Db, people: &[(UserId, &str, &str)]) -> Result<()> {
    let words = people.iter().flat_map(|(id, username, display_name)| {
        name_words(username, display_name).into_iter().map(|(word, kind)| (*id, word, kind))
    });
    let rows: Vec<_> = words
        .map(|(id, word, kind)| {
            (user_words::kind.eq(kind as i64), user_words::word.eq(word), user_words::user_id.eq(id))
        })
        .collect();
    for rows in rows.chunks(ROWS) {
        let insert = diesel::insert_into(user_words::table).values(rows.to_vec());
        match db {
            Db::Sqlite(conn) => insert.execute(conn)?,
            // Another node may do the same for the same user at this moment.
            Db::Postgres(conn) => insert.on_conflict_do_nothing().execute(conn)?,
        };
    }
    Ok(())
}

pub fn delete(db: &mut Db, people: &[UserId]) -> Result<()> {
    let ids = id_list(people)?;
    on!(db, conn => diesel::delete(user_words::table.filter(user_words::user_id.among(&ids))).execute(conn))?;
    Ok(())
}
