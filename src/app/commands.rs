//! Commands that run without a running hub.

use super::{data_dir, settings};
use crate::auth::hash_password;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::store::accounts::users::{self, Appointed};
use crate::store::{self, Db, HubLock, Target};
use crate::wire::Password;

/// Checks that the settings lead to a database that answers. Runs `check`.
pub fn check(config: &Config) -> Result<()> {
    settings::external_tokens(config)?;
    data_dir::make(&config.store.data_dir)?;
    let mut db = open(&settings::target(config))?;
    store::check_version(&mut db).and_then(|()| store::probe(&mut db)).map_err(of_database)
}

/// Gives a restored database a new epoch, for a case in which no hub notices the restore by itself.
/// Runs `restored`.
///
/// # Errors
/// A hub is running on that database.
pub fn begin_epoch(config: &Config, clock: &Clock) -> Result<()> {
    let (target, mut db) = open_prepared(config)?;
    let _lock = HubLock::take(&target, clock.now(), drop)?;
    store::prepare(&mut db, clock.now())?;
    db.write_transaction(|db| store::begin_epoch(db, clock.now())).map(drop)
}

/// Makes a user an administrator, or removes the administrator rights; a hub may be running on that
/// database. Runs `user promote` and `user demote`.
pub fn set_admin(config: &Config, username: &str, is_admin: bool) -> Result<Appointed> {
    let (_, mut db) = open_prepared(config)?;
    db.write_transaction(|db| users::set_admin(db, username, is_admin)).map_err(of_database)
}

/// Sets a user's password and ends the user's logins; a hub may be running on that database. Runs
/// `user password`.
pub fn set_password(config: &Config, username: &str, password: &Password) -> Result<Appointed> {
    let (_, mut db) = open_prepared(config)?;
    let hash = hash_password(password.as_str())?;
    db.write_transaction(|db| users::set_password(db, username, &hash)).map_err(of_database)
}

/// Advice for a database in which there is no user to change yet.
const BEGIN: &str = "start the hub with these settings, register the user, and run this again";

/// Opens the database that the settings name.
///
/// # Errors
/// The error names the setting.
pub(super) fn open(target: &Target) -> Result<Db> {
    target.open().map_err(of_database)
}

/// Adds the setting that the error is about to the error.
pub(super) fn of_database(error: Error) -> Error {
    Error::Internal(format!("DATABASE_URL: {}", error.cause()).into())
}

/// Opens a database on which a hub has run. Opening a missing database would create it in a place
/// that wrong settings point to.
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
    store::check_version(&mut db).map_err(of_database)?;
    Ok((target, db))
}
