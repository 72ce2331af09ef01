//! Any bytes that a peer may send behind its handshake.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard::fuzzing::frames(bytes));
