//! Presence, typing and viewing.

pub mod online;
pub mod typing;
pub mod viewing;
