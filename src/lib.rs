//! Switchboard: a private-messaging hub.

pub mod auth;
pub mod clock;
pub mod config;
pub mod door;
pub mod error;
pub mod hub;
pub mod ids;
pub mod limits;
pub mod ops;
pub mod policy;
pub mod store;
pub mod wire;
