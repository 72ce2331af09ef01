//! Limits for one connection, and timeouts of presence and typing.

use super::reader::{span, whole};
use super::settings::settings;
use std::num::NonZeroU32;
use std::time::Duration;

settings! {
    /// Limits for one socket, and when it counts as dead.
    pub struct Socket {
        /// `MAX_FRAME_BYTES`: bytes of a whole message after reassembly, and of an HTTP body; 4 KiB to
        /// 16 MiB, and always enough for `max_chars` characters of content.
        // 4096 bytes fit a registration whose password has 256 characters, all of them escaped.
        pub max_frame_bytes: usize = required("MAX_FRAME_BYTES", "65536", whole(4096..=16 << 20)),
        /// `FRAME_RATE`: frames of any kind a second for one socket, 1 to 1,000,000.
        pub frame_rate: NonZeroU32 = required("FRAME_RATE", "50", whole(1..=1_000_000)),
        /// `FRAME_BURST`: frames that one socket may send at once, 1 to 1,000,000.
        pub frame_burst: NonZeroU32 = required("FRAME_BURST", "100", whole(1..=1_000_000)),
        /// `HEARTBEAT_INTERVAL`: time between two protocol pings, 100ms to 10m.
        pub heartbeat_interval: Duration = required("HEARTBEAT_INTERVAL", "15s", span("100ms", "10m")),
        /// `HEARTBEAT_TIMEOUT`: silence after which a socket counts as dead, longer than the
        /// interval, at most 30m.
        pub heartbeat_timeout: Duration = required("HEARTBEAT_TIMEOUT", "40s", span("200ms", "30m")),
        /// `OUTBOX_BYTES`: bytes that may wait until the client reads them, 4 KiB to 1 GiB.
        pub outbox_bytes: usize = required("OUTBOX_BYTES", "131072", whole(4096..=1 << 30)),
        /// `OUTBOX_AGE`: how long the oldest of these bytes may wait, 1s to 10m.
        pub outbox_age: Duration = required("OUTBOX_AGE", "20s", span("1s", "10m")),
        /// `MAX_SOCKETS_PER_USER`: maximum sockets of one user, up to 10,000; 0 means no limit.
        pub max_sockets_per_user: usize = required("MAX_SOCKETS_PER_USER", "32", whole(0..=10_000)),
        /// `MAX_SOCKETS_PER_ADDRESS`: maximum sockets of one address, up to 1,000,000; 0 means no
        /// limit.
        pub max_sockets_per_address: usize = required("MAX_SOCKETS_PER_ADDRESS", "0", whole(0..=1_000_000)),
        /// `AUTH_TIMEOUT`: deadline for a socket that authenticates with a frame, 100ms to 5m.
        pub auth_timeout: Duration = required("AUTH_TIMEOUT", "10s", span("100ms", "5m")),
    }
}

settings! {
    /// Timeouts of presence and typing.
    pub struct Hub {
        /// `PRESENCE_GRACE`: a shorter absence is not announced, 0s to 5m.
        pub presence_grace: Duration = required("PRESENCE_GRACE", "3s", span("0s", "5m")),
        /// `TYPING_TIMEOUT`: silence after which a user counts as no longer typing, 100ms to 1m.
        pub typing_timeout: Duration = required("TYPING_TIMEOUT", "3s", span("100ms", "1m")),
    }
}
