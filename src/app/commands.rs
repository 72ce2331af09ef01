//! What the command line does without a hub that runs.

use super::{data_dir, internal, settings};
use crate::config::Config;
use crate::error::Result;
use crate::store::users::{self, Appointed};
use crate::store::{self, Target};

/// Whether the settings lead to a database that answers; for `check`.
pub fn check(config: &Config) -> Result<()> {
    settings::foreign_tokens(config)?;
    data_dir::make(&config.store.data_dir)?;
    store::probe(&mut settings::target(config).open()?)
}

/// Makes somebody an administrator, or one no longer; also while a hub runs on
/// that database. For `user promote` and `user demote`.
pub fn set_admin(config: &Config, username: &str, is_admin: bool) -> Result<Appointed> {
    let target = settings::target(config);
    // Opening it would make one, where somebody else's settings point to.
    if let Target::Sqlite(path) = &target
        && !path.exists()
    {
        return Err(internal(format!("there is no SQLite database {}", path.display())));
    }
    target.open()?.write_transaction(|db| users::set_admin(db, username, is_admin))
}
