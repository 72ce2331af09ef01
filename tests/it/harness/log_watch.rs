//! Watches the log of every hub in this process: a line of level `error` needs the operator's
//! attention, so it fails the test that runs.
//!
//! Errors that actix logs about an unreadable request or frame do not count: any stranger can send
//! those at any time, and they need no attention.
//!
//! Hubs share worker thread names, so a line does not identify its hub. When tests run side by
//! side, the test that fails may be the neighbour.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once};

struct Watch {
    errors: Mutex<Vec<String>>,
    excused: Mutex<Vec<Arc<Excuse>>>,
}

static WATCH: Watch = Watch { errors: Mutex::new(Vec::new()), excused: Mutex::new(Vec::new()) };

/// Expects lines with these words for as long as it lives.
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
