//! The hub's machine-readable descriptions, built from the types and tables that the hub itself
//! uses.

mod asyncapi;
mod openapi;
mod schemas;

pub use asyncapi::document as asyncapi;
pub use schemas::Bounds;

use super::call::Call;
use super::descriptions::Descriptions;

/// Encodes the descriptions of these calls and of the WebSocket.
pub fn describe(calls: &[Call], bounds: &Bounds) -> Descriptions {
    Descriptions {
        asyncapi: asyncapi::document(bounds).to_string().into(),
        openapi: openapi::document(calls, bounds).to_string().into(),
    }
}
