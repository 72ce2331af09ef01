//! The handlers of the HTTP calls, by noun.

pub mod accounts;
pub mod descriptions;
pub mod devices;
pub mod health;
pub mod moderation;
pub mod pages;
pub mod positions;
pub mod tokens;
