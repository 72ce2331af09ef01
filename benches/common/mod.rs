//! What several benchmarks begin and end with.

use std::error::Error;
use std::process::ExitCode;
use switchboard::app::App;
use switchboard::clock::Clock;
use switchboard::config::Config;
use switchboard::door::Door;
use switchboard::hub::Hub;
use switchboard::store::{Db, Target};
use tempfile::TempDir;

/// A door to a database on SQLite, which is there as long as its folder.
pub fn open(seed: impl FnOnce(&mut Db) -> Result<(), Box<dyn Error>>) -> Result<(Door, TempDir), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let data_dir = dir.path().display().to_string();
    let config = Config::from_lookup(|name| (name == "DATA_DIR").then(|| data_dir.clone()))?;
    let app = App::open(config, Clock::system())?;
    seed(&mut Target::Sqlite(dir.path().join("switchboard.db")).open()?)?;
    let (hub, seat, _transitions) = Hub::new(app.hub_settings());
    seat.start();
    let (door, _) = app.open_door(&hub)?;
    Ok((door, dir))
}

/// Runs a benchmark that tells whether all bounds were kept.
pub fn finish(run: impl Future<Output = Result<bool, Box<dyn Error>>>) -> ExitCode {
    match actix_web::rt::System::new().block_on(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("a bound was missed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("the benchmark failed: {error}");
            ExitCode::FAILURE
        }
    }
}
