//! Settings for tests and benchmarks that do not test the rate limits.

/// Settings that turn the rate limits off.
pub const NO_LIMITS: [(&str, &str); 6] = [
    ("MESSAGE_RATE", "1000000"),
    ("MESSAGE_BURST", "1000000"),
    ("FRAME_RATE", "1000000"),
    ("FRAME_BURST", "1000000"),
    ("REQUEST_RATE", "1000000"),
    ("REQUEST_BURST", "1000000"),
];
