//! The cookie of a login: how it is called, read, set and forgotten.

use crate::auth::{Caller, SecretToken};
use crate::http::credential::has_bearer;
use crate::http::state::Net;
use actix_web::cookie::time::Duration as CookieAge;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponseBuilder};

type Cookies = Vec<Cookie<'static>>;

/// The name of the cookie; over https one that a browser accepts from this host
/// alone.
pub fn cookie_name(is_https: bool) -> &'static str {
    if is_https { "__Host-switchboard" } else { "switchboard" }
}

/// The name in version 0.1. Other programs use it, too, and on one host name
/// they took each other's cookie. This version accepts it where there is no
/// cookie by today's name, and replaces it. The next version does neither.
pub fn old_cookie_name(is_https: bool) -> &'static str {
    if is_https { "__Host-session" } else { "session" }
}

/// The cookie that says who asks.
pub fn login_cookie(net: &Net, request: &HttpRequest) -> Option<Cookie<'static>> {
    let is_https = net.origins.is_https();
    request.cookie(cookie_name(is_https)).or_else(|| request.cookie(old_cookie_name(is_https)))
}

/// The logins that the cookies of a browser prove, by either name.
pub struct CookieLogins {
    pub callers: Vec<Caller>,
    /// Whether the cookie by the old name is the hub's own, and no other
    /// program's.
    pub owns_old_name: bool,
}

/// For a browser that logs in: the cookie of the new login, in the place of
/// those of the `earlier` ones.
pub fn new(net: &Net, token: &SecretToken, earlier: &CookieLogins) -> Cookies {
    [Some(cookie(net, token.as_str().to_owned())), old_removal(net, earlier)].into_iter().flatten().collect()
}

/// For a browser that asks by its cookie: `token`, which proves the same login
/// from now on, or the cookie it has with its full time to live.
pub fn renewed(net: &Net, request: &HttpRequest, token: Option<&SecretToken>) -> Cookies {
    let Some(shown) = login_cookie(net, request).filter(|_| !has_bearer(request.headers())) else { return Vec::new() };
    let value = token.map_or(shown.value(), SecretToken::as_str).to_owned();
    let is_old = shown.name() == old_cookie_name(net.origins.is_https());
    [Some(cookie(net, value)), is_old.then(|| removal(shown.name()))].into_iter().flatten().collect()
}

/// Has the browser forget the cookie that it asked by.
pub fn ended(net: &Net, request: &HttpRequest) -> Cookies {
    let name = cookie_name(net.origins.is_https());
    let shown = login_cookie(net, request).filter(|shown| !has_bearer(request.headers()) && shown.name() != name);
    [Some(removal(name)), shown.map(|shown| removal(shown.name()))].into_iter().flatten().collect()
}

/// Has the browser forget the cookie by the old name, if it is the hub's own.
pub fn old_removal(net: &Net, logins: &CookieLogins) -> Option<Cookie<'static>> {
    logins.owns_old_name.then(|| removal(old_cookie_name(net.origins.is_https())))
}

pub fn set(response: &mut HttpResponseBuilder, cookies: impl IntoIterator<Item = Cookie<'static>>) {
    for cookie in cookies {
        response.cookie(cookie);
    }
}

fn cookie(net: &Net, value: String) -> Cookie<'static> {
    let seconds = i64::try_from(net.login_lifetime.as_secs()).unwrap_or(i64::MAX);
    let mut cookie = named(cookie_name(net.origins.is_https()), value);
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
        // What begins with this needs it, also to be removed.
        .secure(name.starts_with("__Host-"))
        .finish()
}
