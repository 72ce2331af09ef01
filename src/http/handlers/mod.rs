//! The handlers of the HTTP calls, by noun.

pub mod accounts;
pub mod conversations;
pub mod descriptions;
pub mod devices;
pub mod health;
pub mod messages;
pub mod moderation;
pub mod pages;
pub mod people;
pub mod positions;
pub mod tokens;
