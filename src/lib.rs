//! Switchboard: a private-messaging hub.

pub mod clock;
pub mod error;
pub mod ids;
