//! Extractors: the caller and the input of a request.

pub mod cookies;
pub mod identity;
pub mod input;
