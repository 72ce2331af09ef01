//! Prepares a database for the hub, and checks whether it accepts writes.

use super::epoch::{find_epoch, random_name};
use super::migrations;
use crate::error::{Error, Result};
use crate::ids::Timestamp;
use crate::store::accounts::name_index;
use crate::store::{Db, on, schema};
use diesel::prelude::*;

/// Updates the schema and the index of names, and gives this history an epoch if it has none.
/// Returns the epoch.
pub fn prepare(db: &mut Db, now: Timestamp) -> Result<String> {
    migrations::run(db)?;
    name_index::fill(db)?;
    db.write_transaction(|db| {
        if let Some(epoch) = find_epoch(db)? {
            return Ok(epoch);
        }
        let epoch = random_name();
        let row = (schema::hub::id.eq(1), schema::hub::epoch.eq(&epoch), schema::hub::created_at.eq(now));
        on!(db, conn => diesel::insert_into(schema::hub::table).values(row).on_conflict_do_nothing().execute(conn))?;
        // Another node may have named it at the same moment. Then the name of that node is kept.
        find_epoch(db)?.ok_or_else(|| Error::bug("this history was named above"))
    })
}

/// Writes the row that exists for checking writes.
pub fn note_write_check(db: &mut Db, now: Timestamp) -> Result<()> {
    on!(db, conn => diesel::update(schema::write_checks::table)
        .set(schema::write_checks::checked_at.eq(now)).execute(conn))?;
    Ok(())
}
