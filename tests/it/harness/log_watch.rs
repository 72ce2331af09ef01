//! Watches the log of every hub in this process: a line of level `error`
//! means that somebody must look, so it fails the test that runs.
//!
//! What actix says of a request or frame that it cannot read does not count:
//! strangers can send that at any time, and nobody must look.
//!
//! Hubs share worker thread names, so a line cannot be told apart by its
//! hub: with tests side by side, the one that fails may be the neighbour.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::{Mutex, Once};

struct Watch {
    errors: Mutex<Vec<String>>,
}

static WATCH: Watch = Watch { errors: Mutex::new(Vec::new()) };

impl Log for Watch {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() == Level::Error && !metadata.target().starts_with("actix_http::")
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            self.errors.lock().unwrap().push(format!("{}: {}", record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&WATCH).unwrap();
        log::set_max_level(LevelFilter::Error);
    });
}

pub fn expect_no_errors() {
    let errors = std::mem::take(&mut *WATCH.errors.lock().unwrap());
    assert!(errors.is_empty(), "logged by a hub of this test or of one beside it: {errors:#?}");
}
