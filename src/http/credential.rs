//! The bearer token of a request.

use actix_web::http::header::{self, HeaderMap};

/// Returns whether the request authenticates with `Authorization: Bearer`. The hub then ignores
/// cookies.
pub fn has_bearer(headers: &HeaderMap) -> bool {
    bearer(headers).is_some()
}

/// Returns the token after `Bearer`, which is case-insensitive (RFC 9110, 11.1).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
