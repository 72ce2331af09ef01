//! The hub's machine-readable descriptions, encoded.

use bytes::Bytes;

pub struct Descriptions {
    /// The AsyncAPI document of the WebSocket.
    pub asyncapi: Bytes,
    /// The OpenAPI document of the HTTP calls.
    pub openapi: Bytes,
}
