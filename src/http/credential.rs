//! The credential that a request presents. It is parsed once, at its first use.

use super::origins::OriginPolicy;
use super::state::HttpState;
use actix_web::cookie::Cookie;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpMessage, HttpRequest};
use std::rc::Rc;

/// The credential of a request, before it is checked. With a bearer token the hub ignores cookies.
#[derive(Debug)]
pub enum Presented {
    /// The token of `Authorization: Bearer`.
    Bearer(String),
    /// The cookie of a login.
    Cookie(Cookie<'static>),
    None,
}

impl Presented {
    /// Returns the credential of the request. The first call parses it, and keeps it in the
    /// request.
    pub fn of(request: &HttpRequest) -> Rc<Self> {
        if let Some(presented) = request.extensions().get::<Rc<Self>>() {
            return Rc::clone(presented);
        }
        let presented = Rc::new(Self::parse(request));
        request.extensions_mut().insert(Rc::clone(&presented));
        presented
    }

    fn parse(request: &HttpRequest) -> Self {
        if let Some(token) = bearer(request.headers()) {
            return Presented::Bearer(token.to_owned());
        }
        let state = HttpState::of(request.app_data()).ok();
        state.and_then(|state| login_cookie(request, &state.origins)).map_or(Presented::None, Presented::Cookie)
    }

    pub fn is_bearer(&self) -> bool {
        matches!(self, Presented::Bearer(_))
    }
}

/// Returns the token after `Bearer`, which is case-insensitive (RFC 9110, 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Returns the name of the cookie. Over https the name has a prefix that browsers accept from this
/// host only.
pub fn cookie_name(is_https: bool) -> &'static str {
    if is_https { "__Host-switchboard" } else { "switchboard" }
}

/// Returns the name of the cookie in version 0.1. Other programs also use that name, and on one
/// host name they overwrote each other's cookie. This version accepts the old cookie if there is no
/// cookie with today's name, and replaces it. The next version does neither.
pub fn old_cookie_name(is_https: bool) -> &'static str {
    if is_https { "__Host-session" } else { "session" }
}

/// Returns the cookie that authenticates the request.
fn login_cookie(request: &HttpRequest, origins: &OriginPolicy) -> Option<Cookie<'static>> {
    let is_https = origins.is_https();
    request.cookie(cookie_name(is_https)).or_else(|| request.cookie(old_cookie_name(is_https)))
}
