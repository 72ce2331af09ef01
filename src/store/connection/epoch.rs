//! The epoch: the name of this history of the database. A restored backup is another history.

use crate::clock::random_bytes;
use crate::error::Result;
use crate::ids::Timestamp;
use crate::store::{Db, on, schema};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

/// Tables whose ids clients keep.
const NUMBERED: [&str; 5] = ["users", "logins", "conversations", "messages", "reports"];

/// The number of ids that a new epoch skips in each table. A lost history cannot have assigned this
/// many since its backup: it is 10,000 messages a second for a day. JavaScript counts exactly up to
/// nine million times this number.
const LEFT_OUT: i64 = 1_000_000_000;

pub(crate) fn find_epoch(db: &mut Db) -> Result<Option<String>> {
    Ok(on!(db, conn => schema::hub::table.select(schema::hub::epoch).first(conn).optional())?)
}

/// Gives the history a new epoch, which invalidates the state that clients hold of the earlier one.
/// Earlier ids are not assigned again. So a retried message does not reach a conversation that has
/// the number of a lost one. Returns the new epoch.
pub fn begin_epoch(db: &mut Db, now: Timestamp) -> Result<String> {
    let epoch = random_name();
    let changes = (schema::hub::epoch.eq(&epoch), schema::hub::created_at.eq(now));
    on!(&mut *db, conn => diesel::update(schema::hub::table).set(changes).execute(conn))?;
    for table in NUMBERED {
        leave_out_ids(db, table)?;
    }
    Ok(epoch)
}

fn leave_out_ids(db: &mut Db, table: &str) -> Result<()> {
    match db {
        Db::Sqlite(conn) => {
            // A table that never had a row has no entry here yet.
            diesel::sql_query(
                "INSERT INTO sqlite_sequence (name, seq)
                 SELECT ?1, 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
            )
            .bind::<Text, _>(table)
            .execute(conn)?;
            diesel::sql_query("UPDATE sqlite_sequence SET seq = seq + ?2 WHERE name = ?1")
                .bind::<Text, _>(table)
                .bind::<BigInt, _>(LEFT_OUT)
                .execute(conn)?;
        }
        Db::Postgres(conn) => {
            diesel::sql_query(
                "SELECT setval(name, nextval(name) + $2)
                 FROM CAST(pg_get_serial_sequence($1, 'id') AS regclass) AS name",
            )
            .bind::<Text, _>(table)
            .bind::<BigInt, _>(LEFT_OUT)
            .execute(conn)?;
        }
    }
    Ok(())
}

/// A random name of 32 letters, which is unique.
pub(crate) fn random_name() -> String {
    random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounts::users::{self, NewUser};
    use crate::store::prepare;
    use crate::store::scratch::{Scratch, both_databases};

    #[derive(QueryableByName)]
    struct Next {
        #[diesel(sql_type = BigInt)]
        next: i64,
    }

    fn a_new_epoch_reuses_no_id_of_the_previous_one(scratch: Scratch) {
        let mut db = scratch.open();
        let (start, mut next) = (Timestamp::from_millis(0), 0);
        let first = prepare(&mut db, start).unwrap();
        let mut insert = |db: &mut Db| {
            next += 1;
            users::insert_user(db, &NewUser::named(&format!("user{next}"))).unwrap().id.get()
        };
        // This also works where no row was written yet.
        let second = begin_epoch(&mut db, start).unwrap();
        let early = insert(&mut db);
        assert!(first != second && early > LEFT_OUT);
        begin_epoch(&mut db, start).unwrap();
        let later = insert(&mut db);
        assert!(later > early + LEFT_OUT && later < early + LEFT_OUT + 10, "{early} and {later}");
    }
    both_databases!(a_new_epoch_reuses_no_id_of_the_previous_one);

    fn every_table_with_client_visible_ids_skips_some(scratch: Scratch) {
        let mut db = scratch.open();
        prepare(&mut db, Timestamp::from_millis(0)).unwrap();
        begin_epoch(&mut db, Timestamp::from_millis(0)).unwrap();
        for table in NUMBERED {
            let next = match &mut db {
                Db::Sqlite(conn) => diesel::sql_query("SELECT seq AS next FROM sqlite_sequence WHERE name = ?1")
                    .bind::<Text, _>(table)
                    .get_result::<Next>(conn),
                Db::Postgres(conn) => diesel::sql_query("SELECT nextval(pg_get_serial_sequence($1, 'id')) AS next")
                    .bind::<Text, _>(table)
                    .get_result::<Next>(conn),
            };
            let Next { next } = next.unwrap();
            assert!(next >= LEFT_OUT, "{table}: {next}");
        }
    }
    both_databases!(every_table_with_client_visible_ids_skips_some);
}
