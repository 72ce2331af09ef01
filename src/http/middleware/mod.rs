//! The middleware that runs for every request, before and after its handler.

pub mod audit;
pub mod cors;
pub mod headers;
pub mod hold_body;
pub mod host;
pub mod large_bodies;
pub mod origin;
pub mod rate;
