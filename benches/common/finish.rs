//! The common end of all benchmarks.

use std::fmt::Display;
use std::process::ExitCode;

/// Runs a benchmark that returns whether all bounds were kept.
pub fn finish<E: Display>(run: impl Future<Output = Result<bool, E>>) -> ExitCode {
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
