//! Switchboard: a private-messaging hub.

pub mod clock;
pub mod config;
pub mod error;
pub mod hub;
pub mod ids;
pub mod limits;
pub mod policy;
pub mod store;
pub mod wire;
