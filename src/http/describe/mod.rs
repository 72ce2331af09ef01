//! What the hub says of itself to machines, made of the same types and tables
//! that it works with.

mod asyncapi;
mod openapi;
mod schemas;

pub use asyncapi::document as asyncapi;
pub use schemas::Bounds;

use super::call::Call;
use super::descriptions::Descriptions;

/// Encodes the descriptions of these calls and of the socket.
pub fn describe(calls: &[Call], bounds: &Bounds) -> Descriptions {
    Descriptions {
        asyncapi: asyncapi::document(bounds).to_string().into(),
        openapi: openapi::document(calls, bounds).to_string().into(),
    }
}
