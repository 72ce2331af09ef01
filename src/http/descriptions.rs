//! What the hub says of itself to machines, encoded.

use bytes::Bytes;

pub struct Descriptions {
    /// The socket.
    pub asyncapi: Bytes,
    /// The HTTP calls.
    pub openapi: Bytes,
}
