//! What the command line does without a hub that runs.

use super::{data_dir, settings};
use crate::auth::hash_password;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::store::accounts::users::{self, Appointed};
use crate::store::{self, Db, HubLock, Target};
use crate::wire::Password;

/// Whether the settings lead to a database that answers; for `check`.
pub fn check(config: &Config) -> Result<()> {
    settings::external_tokens(config)?;
    data_dir::make(&config.store.data_dir)?;
    store::probe(&mut open(&settings::target(config))?).map_err(of_database)
}

/// Names a restored database anew, where no hub can notice by itself that it was
/// restored. For `restored`.
///
/// # Errors
/// A hub runs on that database.
pub fn begin_epoch(config: &Config, clock: &Clock) -> Result<()> {
    let (target, mut db) = open_prepared(config)?;
    let _lock = HubLock::take(&target, clock.now(), drop)?;
    store::prepare(&mut db, clock.now())?;
    db.write_transaction(|db| store::begin_epoch(db, clock.now())).map(drop)
}

/// Makes somebody an administrator, or one no longer; also while a hub runs on
/// that database. For `user promote` and `user demote`.
pub fn set_admin(config: &Config, username: &str, is_admin: bool) -> Result<Appointed> {
    let (_, mut db) = open_prepared(config)?;
    db.write_transaction(|db| users::set_admin(db, username, is_admin)).map_err(of_database)
}

/// Sets somebody's password and ends their logins; also while a hub runs on that
/// database. For `user password`.
pub fn set_password(config: &Config, username: &str, password: &Password) -> Result<Appointed> {
    let (_, mut db) = open_prepared(config)?;
    let hash = hash_password(password.as_str())?;
    db.write_transaction(|db| users::set_password(db, username, &hash)).map_err(of_database)
}

/// What to do before a user can be changed.
const BEGIN: &str = "start the hub with these settings, register the user, and run this again";

/// Opens the database that the settings name.
///
/// # Errors
/// Names the setting.
pub(super) fn open(target: &Target) -> Result<Db> {
    target.open().map_err(of_database)
}

/// The same error, with the setting that it is about.
pub(super) fn of_database(error: Error) -> Error {
    Error::Internal(format!("DATABASE_URL: {}", error.cause()).into())
}

/// Opens a database on which a hub ran. Opening one that is not there would make it,
/// where somebody else's settings lead to.
fn open_prepared(config: &Config) -> Result<(Target, Db)> {
    let target = settings::target(config);
    if let Target::Sqlite(path) = &target
        && !path.exists()
    {
        return Err(Error::internal(format!("DATABASE_URL: there is no SQLite database {}; {BEGIN}", path.display())));
    }
    let mut db = open(&target)?;
    if !store::is_prepared(&mut db).map_err(of_database)? {
        return Err(Error::internal(format!("DATABASE_URL: the database is empty; {BEGIN}")));
    }
    Ok((target, db))
}
