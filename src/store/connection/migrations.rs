//! The embedded migrations, one tree for each database, applied at start.

use crate::error::{Error, Result};
use crate::store::Db;
use diesel::connection::SimpleConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The key of the migration lock: "switch" in ASCII. No other program locks it in this database.
const MIGRATION_LOCK: i64 = 0x7377_6974_6368;

/// Applies the missing migrations, one process at a time. SQLite runs them in one transaction.
/// Postgres runs them under a lock, for which other processes wait a minute.
pub(crate) fn run(db: &mut Db) -> Result<()> {
    match db {
        Db::Sqlite(conn) => {
            conn.immediate_transaction(|conn| conn.run_pending_migrations(SQLITE).map(drop)).map_err(Error::Internal)
        }
        Db::Postgres(conn) => {
            conn.batch_execute(&format!(
                "SET lock_timeout = '60s'; SET statement_timeout = 0; SELECT pg_advisory_lock({MIGRATION_LOCK})"
            ))?;
            let outcome = conn.run_pending_migrations(POSTGRES).map(drop).map_err(Error::Internal);
            conn.batch_execute(&format!("SELECT pg_advisory_unlock({MIGRATION_LOCK})"))?;
            outcome
        }
    }
}
