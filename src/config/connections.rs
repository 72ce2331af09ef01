//! What one connection may do, and how long presence outlives it.

use super::reader::{span, whole};
use super::settings::settings;
use std::num::NonZeroU32;
use std::time::Duration;

settings! {
    /// What one socket may do, and when it counts as dead.
    pub struct Socket {
        /// `MAX_FRAME_BYTES`: bytes of a whole message after reassembly, and of an HTTP body; 4 KiB to
        /// 16 MiB, and always enough for `max_chars` characters of content.
        // 4096 holds a registration whose password has 256 characters, all of them escaped.
        pub max_frame_bytes: usize = required("MAX_FRAME_BYTES", "65536", whole(4096..=16 << 20)),
        /// `FRAME_RATE`: frames of any kind a second for one socket, 1 to 1,000,000.
        pub frame_rate: NonZeroU32 = required("FRAME_RATE", "50", whole(1..=1_000_000)),
        /// `FRAME_BURST`: frames at once for one socket, 1 to 1,000,000.
        pub frame_burst: NonZeroU32 = required("FRAME_BURST", "100", whole(1..=1_000_000)),
        /// `HEARTBEAT_INTERVAL`: between two protocol pings, 100ms to 10m.
        pub heartbeat_interval: Duration = required("HEARTBEAT_INTERVAL", "15s", span("100ms", "10m")),
        /// `HEARTBEAT_TIMEOUT`: silence after which a socket is dead, longer than the interval, at
        /// most 30m.
        pub heartbeat_timeout: Duration = required("HEARTBEAT_TIMEOUT", "40s", span("200ms", "30m")),
        /// `OUTBOX_BYTES`: bytes that may wait for a peer to read them, 4 KiB to 1 GiB.
        pub outbox_bytes: usize = required("OUTBOX_BYTES", "131072", whole(4096..=1 << 30)),
        /// `OUTBOX_AGE`: how long the oldest of them may wait, 1s to 10m.
        pub outbox_age: Duration = required("OUTBOX_AGE", "20s", span("1s", "10m")),
        /// `MAX_SOCKETS_PER_USER`: at most 10,000; 0: no limit.
        pub max_sockets_per_user: usize = required("MAX_SOCKETS_PER_USER", "32", whole(0..=10_000)),
        /// `MAX_SOCKETS_PER_ADDRESS`: at most 1,000,000; 0: no limit.
        pub max_sockets_per_address: usize = required("MAX_SOCKETS_PER_ADDRESS", "0", whole(0..=1_000_000)),
        /// `AUTH_TIMEOUT`: for a socket that says by a frame who it is, 100ms to 5m.
        pub auth_timeout: Duration = required("AUTH_TIMEOUT", "10s", span("100ms", "5m")),
    }
}

settings! {
    /// How long presence and typing outlive their last sign.
    pub struct Hub {
        /// `PRESENCE_GRACE`: an absence shorter than this is not announced, 0s to 5m.
        pub presence_grace: Duration = required("PRESENCE_GRACE", "3s", span("0s", "5m")),
        /// `TYPING_TIMEOUT`: silence after which a typist has stopped, 100ms to 1m.
        pub typing_timeout: Duration = required("TYPING_TIMEOUT", "3s", span("100ms", "1m")),
    }
}
