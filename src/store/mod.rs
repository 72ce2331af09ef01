//! The truth: SQLite or Postgres behind one set of plain functions.
//!
//! `conn` opens a connection of either kind and guarantees its settings;
//! `reads` lends connections for snapshots; `lane` is the one way to write.
//! `hub_lock` keeps a second hub away, `history` notices a restored backup.
//! Each noun has a file of queries (`users`, `logins`, `attempts`, `tickets`,
//! `conversations`, `messages`, `pending_receipts`, `people`, `presence`, `quotas`, `receipt_marks`, `reports`,
//! `search_index`, `user_words`) that take a `&mut Db` inside a transaction that
//! somebody else began. Nobody outside this folder names Diesel.

pub mod attempts;
pub mod changes;
mod checkpoints;
mod columns;
mod conn;
pub mod conversations;
mod epoch;
#[cfg(test)]
pub(crate) mod explain;
mod failure;
mod fair_turns;
mod history;
mod hot;
mod hub_lock;
mod id_list;
mod lane;
pub mod logins;
mod marker;
pub mod members;
pub mod messages;
mod migrations;
mod pairs;
pub mod participants;
pub mod pending_receipts;
pub mod people;
pub mod positions;
pub mod presence;
#[cfg(test)]
mod presence_test;
mod probe;
pub mod quotas;
#[cfg(test)]
mod races_test;
pub mod reactions;
mod read_gates;
mod reads;
pub mod receipt_marks;
pub mod reports;
mod schema;
#[cfg(test)]
mod schema_test;
#[cfg(test)]
pub(crate) mod scratch;
pub mod search_index;
#[cfg(test)]
mod search_index_test;
pub mod tickets;
pub mod time_budget;
pub mod unread;
pub mod user_words;
pub mod users;
mod write_queue;

pub use conn::{Db, Target};
pub use epoch::begin_epoch;
pub use history::History;
pub use hub_lock::HubLock;
pub use lane::{Answer, Job, Lane, LaneSettings, Publish, Terms};
pub use probe::{Probe, probe};
pub use read_gates::ReadTerms;
pub use reads::Reads;
pub use write_queue::QueueBounds;

use crate::clock::random_bytes;
use crate::error::{Error, Result};
use crate::ids::Timestamp;
use diesel::prelude::*;
use epoch::find_epoch;

/// How long an operation may keep its place in the writer or the read pool.
/// A heavy write has a transaction of its own, and heavy operations of either
/// kind have a bounded share, so that light ones always find their turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cost {
    /// A few rows by their keys, whatever the caller owns: under a millisecond.
    #[default]
    Light,
    /// Grows with what the operation names or with what the caller owns.
    Heavy,
    /// Light, and decides whether somebody may come in: some of the connections
    /// that read are kept back for it.
    Admission,
    /// Comes after that, has the same connections, and grows with what the caller owns: few run
    /// at once.
    Opening,
}

impl Cost {
    /// Whether it lets somebody in who is not here yet.
    fn admits(self) -> bool {
        matches!(self, Self::Admission | Self::Opening)
    }
}

/// Runs the same Diesel expression on whichever database `$db` is.
macro_rules! on {
    ($db:expr, $conn:ident => $expression:expr) => {
        match $db {
            $crate::store::Db::Sqlite($conn) => $expression,
            $crate::store::Db::Postgres($conn) => $expression,
        }
    };
}
pub(crate) use on;

/// Makes the schema and the index of names current, and names this history if
/// it has no name yet.
/// Returns the epoch.
pub fn prepare(db: &mut Db, now: Timestamp) -> Result<String> {
    migrations::run(db)?;
    user_words::fill(db)?;
    db.write_transaction(|db| {
        if let Some(epoch) = find_epoch(db)? {
            return Ok(epoch);
        }
        let epoch = random_name();
        let row = (schema::hub::id.eq(1), schema::hub::epoch.eq(&epoch), schema::hub::created_at.eq(now));
        on!(db, conn => diesel::insert_into(schema::hub::table).values(row).on_conflict_do_nothing().execute(conn))?;
        // Another node may have named it at the same moment, and its name holds.
        find_epoch(db)?.ok_or_else(|| Error::bug("this history was named above"))
    })
}

/// Whether a hub ran on this database before.
pub fn is_prepared(db: &mut Db) -> Result<bool> {
    use diesel::dsl::sql;
    use diesel::sql_types::Bool;
    Ok(match db {
        Db::Sqlite(conn) => {
            let has_users = sql::<Bool>("EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'users')");
            diesel::select(has_users).get_result(conn)?
        }
        Db::Postgres(conn) => diesel::select(sql::<Bool>("to_regclass('users') IS NOT NULL")).get_result(conn)?,
    })
}

/// 32 letters that nothing else is called.
fn random_name() -> String {
    random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the row that is there to be written.
pub fn note_write_check(db: &mut Db, now: Timestamp) -> Result<()> {
    on!(db, conn => diesel::update(schema::write_checks::table)
        .set(schema::write_checks::checked_at.eq(now)).execute(conn))?;
    Ok(())
}
