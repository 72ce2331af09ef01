//! Checks the request that asks for a WebSocket strictly against RFC 6455, 4.2.1.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::http::{Method, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The length of the decoded key.
const KEY_BYTES: usize = 16;

/// The reason why a request is not a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The request asks for no WebSocket, or for another version than 13.
    Version,
    /// The request has no key, more than one, or one that is not 16 bytes in base64.
    Key,
}

/// Returns the key of a correct handshake.
pub fn key(request: &HttpRequest) -> Result<&[u8], Flaw> {
    let headers = request.headers();
    let is_upgrade = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && is_one(headers, &header::UPGRADE, "websocket")
        && has_token(headers, &header::CONNECTION, "upgrade")
        && is_one(headers, &header::SEC_WEBSOCKET_VERSION, "13");
    if !is_upgrade {
        return Err(Flaw::Version);
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY);
    match (keys.next(), keys.next()) {
        (Some(key), None) if BASE64.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES) => Ok(key.as_bytes()),
        _ => Err(Flaw::Key),
    }
}

/// Returns whether there is exactly one such header, and it has exactly this value.
fn is_one(headers: &HeaderMap, name: &HeaderName, expected: &str) -> bool {
    let mut values = headers.get_all(name);
    let is_expected = values.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(expected.as_bytes()));
    is_expected && values.next().is_none()
}

fn has_token(headers: &HeaderMap, name: &HeaderName, expected: &str) -> bool {
    let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(expected))
}
