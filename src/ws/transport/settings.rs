//! The settings of every socket.

use super::buffer;
use super::outbox::OutboxSettings;
use crate::limits::Rate;
use std::num::NonZeroU32;
use std::time::Duration;

/// The smallest allowed burst of bytes: the bytes that are read at once.
pub const LEAST_BURST: NonZeroU32 = NonZeroU32::new(buffer::READ_BYTES).unwrap();

/// The settings of every socket.
#[derive(Clone, Debug)]
pub struct TransportSettings {
    /// The size limit of a message after reassembly.
    pub max_frame_bytes: usize,
    /// Whether the socket accepts binary frames. If false, a binary frame closes it with 1003.
    pub takes_binary: bool,
    /// The bytes per second. The hub reads a faster client more slowly.
    pub bytes: Rate,
    /// The time between two pings.
    pub heartbeat_interval: Duration,
    /// The time of silence after which the client counts as dead.
    pub heartbeat_timeout: Duration,
    pub outbox: OutboxSettings,
}
