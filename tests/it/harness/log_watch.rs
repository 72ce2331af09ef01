//! Watches the log of every hub in this process: a line of level `error`
//! means that somebody must look, so it fails the test that runs.
//!
//! What actix says of a request or frame that it cannot read does not count:
//! strangers can send that at any time, and nobody must look.
//!
//! Hubs share worker thread names, so a line cannot be told apart by its
//! hub: with tests side by side, the one that fails may be the neighbour.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once};

struct Watch {
    errors: Mutex<Vec<String>>,
    excused: Mutex<Vec<Arc<Excuse>>>,
}

static WATCH: Watch = Watch { errors: Mutex::new(Vec::new()), excused: Mutex::new(Vec::new()) };

/// While this lives, lines with these words are what a test wants.
pub struct Excused(Arc<Excuse>);

struct Excuse {
    words: &'static str,
    came: AtomicBool,
}

impl Excused {
    pub fn came(&self) -> bool {
        self.0.came.load(Ordering::SeqCst)
    }
}

impl Drop for Excused {
    fn drop(&mut self) {
        WATCH.excused.lock().unwrap().retain(|excuse| !Arc::ptr_eq(excuse, &self.0));
    }
}

pub fn excuse(words: &'static str) -> Excused {
    let excuse = Arc::new(Excuse { words, came: AtomicBool::new(false) });
    WATCH.excused.lock().unwrap().push(Arc::clone(&excuse));
    Excused(excuse)
}

impl Log for Watch {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() == Level::Error && !metadata.target().starts_with("actix_http::")
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            let line = format!("{}: {}", record.target(), record.args());
            let excused = self.excused.lock().unwrap();
            let meant: Vec<_> = excused.iter().filter(|excuse| line.contains(excuse.words)).collect();
            meant.iter().for_each(|excuse| excuse.came.store(true, Ordering::SeqCst));
            if meant.is_empty() {
                self.errors.lock().unwrap().push(line);
            }
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
