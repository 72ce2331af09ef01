//! The embedded migrations, applied at start: one tree for both databases.
//!
//! `migrations/<version>_<name>/up.sql` is for both. Placeholders stand for what the databases
//! write differently. `up.sqlite.sql` and `up.postgres.sql` beside it are for one of them.

use crate::error::{Error, Result};
use crate::store::{Db, on};
use diesel::backend::Backend;
use diesel::connection::{BoxableConnection, SimpleConnection};
use diesel::dsl::sql;
use diesel::migration::{self, Migration, MigrationMetadata, MigrationName, MigrationSource, MigrationVersion};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_migrations::MigrationHarness;
use rust_embed::RustEmbed;
use std::collections::BTreeMap;
use std::fmt;

/// The files of `migrations/`, in the binary.
#[derive(RustEmbed)]
#[folder = "migrations/"]
struct Files;

/// How one database writes the placeholders, and the name of its own files.
struct Dialect {
    own_file: &'static str,
    placeholders: [(&'static str, &'static str); 4],
}

const SQLITE: Dialect = Dialect {
    own_file: "up.sqlite.sql",
    placeholders: [
        ("{ID}", "INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL"),
        ("{BYTES}", "BLOB"),
        ("{TEXT_C}", "TEXT"),
        ("{BY_KEY}", "WITHOUT ROWID"),
    ],
};

const POSTGRES: Dialect = Dialect {
    own_file: "up.postgres.sql",
    placeholders: [
        ("{ID}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
        ("{BYTES}", "BYTEA"),
        ("{TEXT_C}", "TEXT COLLATE \"C\""),
        ("{BY_KEY}", ""),
    ],
};

/// The key of the migration lock: "switch" in ASCII. No other program locks it in this database.
const MIGRATION_LOCK: i64 = 0x7377_6974_6368;

/// Applies the missing migrations, one process at a time. SQLite runs them in one transaction.
/// Postgres runs them under a lock, for which other processes wait a minute.
///
/// # Errors
/// The errors of [`check_version`]. The database is then unchanged.
pub(crate) fn run(db: &mut Db) -> Result<()> {
    check_version(db)?;
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

/// Whether a hub ran on this database before.
pub fn is_prepared(db: &mut Db) -> Result<bool> {
    Ok(match db {
        Db::Sqlite(conn) => {
            let has_users = sql::<Bool>("EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'users')");
            diesel::select(has_users).get_result(conn)?
        }
        Db::Postgres(conn) => diesel::select(sql::<Bool>("to_regclass('users') IS NOT NULL")).get_result(conn)?,
    })
}

/// Checks that this version of Switchboard can use the database: it is empty, or this version knows
/// all migrations that were applied to it.
///
/// # Errors
/// `Internal`, with a sentence for the operator.
pub fn check_version(db: &mut Db) -> Result<()> {
    if !is_prepared(db)? {
        return Ok(());
    }
    let applied = on!(db, conn => conn.applied_migrations().map_err(Error::Internal)?);
    let ours = SQLITE.versions();
    let Some(unknown) = applied.iter().map(ToString::to_string).filter(|version| !ours.contains(version)).max() else {
        return Ok(());
    };
    let version = env!("CARGO_PKG_VERSION");
    Err(Error::internal(match ours.first() {
        Some(first) if unknown < *first => format!(
            "version 0.1.0 of Switchboard made this database, and version {version} cannot use it: name an empty \
             database, or run version 0.1.0"
        ),
        _ => format!(
            "a newer version of Switchboard made this database, and version {version} does not know its migration \
             {unknown}: run the newer version, or restore a backup that was made before the upgrade"
        ),
    }))
}

impl Dialect {
    /// Returns the versions of the migrations, in their order.
    fn versions(&self) -> Vec<String> {
        self.scripts().into_iter().map(|script| script.version().to_string()).collect()
    }

    /// Returns the migrations in their order. The file for both databases comes first.
    fn scripts(&self) -> Vec<Script> {
        let mut scripts: BTreeMap<String, String> = BTreeMap::new();
        for file in ["up.sql", self.own_file] {
            for path in Files::iter() {
                let Some(name) = path.strip_suffix(file).and_then(|path| path.strip_suffix('/')) else { continue };
                let text = Files::get(&path).map(|file| file.data).unwrap_or_default();
                scripts.entry(name.to_owned()).or_default().push_str(&String::from_utf8_lossy(&text));
            }
        }
        let expand = |sql: String| self.placeholders.iter().fold(sql, |sql, (name, text)| sql.replace(name, text));
        scripts.into_iter().map(|(name, sql)| Script { name, sql: expand(sql) }).collect()
    }
}

impl<DB: Backend> MigrationSource<DB> for Dialect {
    fn migrations(&self) -> migration::Result<Vec<Box<dyn Migration<DB>>>> {
        Ok(self.scripts().into_iter().map(|script| Box::new(script) as Box<dyn Migration<DB>>).collect())
    }
}

/// One migration in the dialect of a database.
struct Script {
    /// The name of its folder: its version, `_` and what it does.
    name: String,
    sql: String,
}

impl<DB: Backend> Migration<DB> for Script {
    fn run(&self, conn: &mut dyn BoxableConnection<DB>) -> migration::Result<()> {
        Ok(conn.batch_execute(&self.sql)?)
    }

    fn revert(&self, _: &mut dyn BoxableConnection<DB>) -> migration::Result<()> {
        Err("restore a backup instead: migrations are not reverted".into())
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self
    }

    fn name(&self) -> &dyn MigrationName {
        self
    }
}

/// Each migration runs in a transaction.
impl MigrationMetadata for Script {}

impl MigrationName for Script {
    fn version(&self) -> MigrationVersion<'_> {
        let version = self.name.split('_').next().unwrap_or_default().replace('-', "");
        MigrationVersion::from(version)
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
