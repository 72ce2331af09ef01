//! Settings for storage.

use super::reader::{BadSetting, Reader, directory, whole};
use super::settings::settings;
use super::values::DatabaseUrl;
use std::path::PathBuf;

settings! {
    /// Settings for storage: the data directory and the database.
    pub struct Store {
        /// `DATA_DIR`: directory of the embedded database and generated secrets. This module does
        /// not open it.
        pub data_dir: PathBuf = required("DATA_DIR", "data", directory),
        /// `DATABASE_URL`: the database; by default `switchboard.db` in `data_dir`.
        pub database: DatabaseUrl = with(database),
        /// `DATABASE_POOL`: connections that read, besides the one that writes, 1 to 256.
        pub pool: u32 = required("DATABASE_POOL", "8", whole(1..=256)),
    }
}

/// Reads the database; the default is the embedded database in `DATA_DIR`.
fn database(env: &mut Reader) -> Result<DatabaseUrl, BadSetting> {
    let own_database = DatabaseUrl::Sqlite(PathBuf::from(env.shown("DATA_DIR")).join("switchboard.db"));
    env.database("DATABASE_URL", &own_database.to_string())
}
