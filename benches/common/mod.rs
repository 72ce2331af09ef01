//! Helpers that several benchmarks share.

mod finish;

pub use finish::finish;

use std::error::Error;
use switchboard::app::App;
use switchboard::clock::Clock;
use switchboard::config::Config;
use switchboard::dispatch::Dispatcher;
use switchboard::store::{Db, Target};
use tempfile::TempDir;

/// Opens a dispatcher on a SQLite database, which exists as long as its folder.
pub fn open(seed: impl FnOnce(&mut Db) -> Result<(), Box<dyn Error>>) -> Result<(Dispatcher, TempDir), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let data_dir = dir.path().display().to_string();
    let config = Config::from_lookup(|name| (name == "DATA_DIR").then(|| data_dir.clone()))?;
    let mut app = App::open(config, Clock::system())?;
    seed(&mut Target::Sqlite(dir.path().join("switchboard.db")).open()?)?;
    let (dispatcher, _) = app.start_dispatcher()?;
    Ok((dispatcher, dir))
}
