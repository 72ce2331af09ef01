//! What a request says: who makes it, and its input.

pub mod cookies;
pub mod identity;
pub mod input;
