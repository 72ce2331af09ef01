//! Where everything lasting is kept.

use super::reader::{BadSetting, Reader, directory, whole};
use super::settings::settings;
use super::values::DatabaseUrl;
use std::path::PathBuf;

settings! {
    /// Where everything lasting is kept.
    pub struct Store {
        /// `DATA_DIR`: embedded database and generated secrets; not looked at here.
        pub data_dir: PathBuf = required("DATA_DIR", "data", directory),
        /// `DATABASE_URL`: by default `switchboard.db` in `data_dir`.
        pub database: DatabaseUrl = with(database),
        /// `DATABASE_POOL`: connections that read, besides the one that writes, 1 to 256.
        pub pool: u32 = required("DATABASE_POOL", "8", whole(1..=256)),
    }
}

/// By default the embedded database in `DATA_DIR`.
fn database(env: &mut Reader) -> Result<DatabaseUrl, BadSetting> {
    let own_database = DatabaseUrl::Sqlite(PathBuf::from(env.shown("DATA_DIR")).join("switchboard.db"));
    env.database("DATABASE_URL", &own_database.to_string())
}
