//! The cookies that an answer sets and removes.

use crate::auth::{Caller, SecretToken};
use crate::http::credential::{Presented, cookie_name, old_cookie_name};
use crate::http::state::HttpState;
use actix_web::cookie::time::Duration as CookieAge;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponseBuilder};

type Cookies = Vec<Cookie<'static>>;

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
    let presented = Presented::of(request);
    let Presented::Cookie(shown) = &*presented else { return Vec::new() };
    let value = token.map_or(shown.value(), SecretToken::as_str).to_owned();
    let is_old = shown.name() == old_cookie_name(state.origins.is_https());
    [Some(cookie(state, value)), is_old.then(|| removal(shown.name()))].into_iter().flatten().collect()
}

/// Removes the cookie with which the browser authenticated.
pub fn ended(state: &HttpState, request: &HttpRequest) -> Cookies {
    let name = cookie_name(state.origins.is_https());
    let other = match &*Presented::of(request) {
        Presented::Cookie(shown) if shown.name() != name => Some(removal(shown.name())),
        _ => None,
    };
    [Some(removal(name)), other].into_iter().flatten().collect()
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
