//! Any text that a client may send in a frame.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| switchboard::fuzzing::operation(text));
