//! The cookie of a login: its name, and how it is read, set and removed.

use crate::auth::{Caller, SecretToken};
use crate::http::credential::has_bearer;
use crate::http::state::HttpState;
use actix_web::cookie::time::Duration as CookieAge;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponseBuilder};

type Cookies = Vec<Cookie<'static>>;

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
pub fn login_cookie(state: &HttpState, request: &HttpRequest) -> Option<Cookie<'static>> {
    let is_https = state.origins.is_https();
    request.cookie(cookie_name(is_https)).or_else(|| request.cookie(old_cookie_name(is_https)))
}

/// The logins that the cookies of a browser prove, by the new and the old name.
pub struct CookieLogins {
    pub callers: Vec<Caller>,
    /// Whether the cookie with the old name belongs to the hub, and not to another program.
    pub owns_old_name: bool,
}

/// Returns the cookies for a browser that logs in: the cookie of the new login, which replaces
/// those of the `earlier` logins.
pub fn new(state: &HttpState, token: &SecretToken, earlier: &CookieLogins) -> Cookies {
    [Some(cookie(state, token.as_str().to_owned())), old_removal(state, earlier)].into_iter().flatten().collect()
}

/// Returns the cookies for a browser that authenticates by cookie. They carry `token`, which proves
/// the same login from now on, or the current cookie with its full lifetime.
pub fn renewed(state: &HttpState, request: &HttpRequest, token: Option<&SecretToken>) -> Cookies {
    let Some(shown) = login_cookie(state, request).filter(|_| !has_bearer(request.headers())) else {
        return Vec::new();
    };
    let value = token.map_or(shown.value(), SecretToken::as_str).to_owned();
    let is_old = shown.name() == old_cookie_name(state.origins.is_https());
    [Some(cookie(state, value)), is_old.then(|| removal(shown.name()))].into_iter().flatten().collect()
}

/// Removes the cookie with which the browser authenticated.
pub fn ended(state: &HttpState, request: &HttpRequest) -> Cookies {
    let name = cookie_name(state.origins.is_https());
    let shown = login_cookie(state, request).filter(|shown| !has_bearer(request.headers()) && shown.name() != name);
    [Some(removal(name)), shown.map(|shown| removal(shown.name()))].into_iter().flatten().collect()
}

/// Removes the cookie with the old name, if it belongs to the hub.
pub fn old_removal(state: &HttpState, logins: &CookieLogins) -> Option<Cookie<'static>> {
    logins.owns_old_name.then(|| removal(old_cookie_name(state.origins.is_https())))
}

pub fn set(response: &mut HttpResponseBuilder, cookies: impl IntoIterator<Item = Cookie<'static>>) {
    for cookie in cookies {
        response.cookie(cookie);
    }
}

fn cookie(state: &HttpState, value: String) -> Cookie<'static> {
    let seconds = i64::try_from(state.login_lifetime.as_secs()).unwrap_or(i64::MAX);
    let mut cookie = named(cookie_name(state.origins.is_https()), value);
    cookie.set_max_age(CookieAge::seconds(seconds));
    cookie
}

fn removal(name: &str) -> Cookie<'static> {
    let mut cookie = named(name, String::new());
    cookie.make_removal();
    cookie
}

fn named(name: &str, value: String) -> Cookie<'static> {
    Cookie::build(name.to_owned(), value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        // A name with this prefix requires `Secure`, also for the removal.
        .secure(name.starts_with("__Host-"))
        .finish()
}
