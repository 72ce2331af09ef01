//! What holds for every socket.

use super::buffer;
use super::outbox::OutboxSettings;
use crate::limits::Rate;
use std::num::NonZeroU32;
use std::time::Duration;

/// The burst of bytes that has to be allowed at least: what is read at once.
pub const LEAST_BURST: NonZeroU32 = NonZeroU32::new(buffer::READ_BYTES).unwrap();

/// What holds for every socket.
#[derive(Clone, Debug)]
pub struct TransportSettings {
    /// Of a message after reassembly.
    pub max_frame_bytes: usize,
    /// Else a binary frame closes the socket with 1003.
    pub takes_binary: bool,
    /// Bytes a second; who sends faster is read more slowly.
    pub bytes: Rate,
    /// Between two pings.
    pub heartbeat_interval: Duration,
    /// Silence after which the peer is dead.
    pub heartbeat_timeout: Duration,
    pub outbox: OutboxSettings,
}
