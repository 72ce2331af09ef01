//! Authenticates the caller: by bearer token if there is one, else by session cookie. The handshake
//! of a socket may use a ticket.

use super::cookies::CookieLogins;
use crate::auth::{Bearer, Caller, ExternalUser, TokenSubject, hash_token};
use crate::error::{Code, Error, Result};
use crate::http::audit;
use crate::http::client_address::UNKNOWN_ADDRESS;
use crate::http::credential::{Presented, cookie_name, old_cookie_name};
use crate::http::middleware::rate::rate_tokens;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
use crate::ids::Timestamp;
use crate::ops::accounts::provision_external_user::ProvisionExternalUser;
use crate::ops::logins::find_caller::{FindCaller, Found, Proof};
use crate::ops::logins::log_in::Device;
use crate::ops::logins::open_session::{EarlyOpening, FindCallerAndOpen};
use crate::ops::logins::take_ticket::TakeTicket;
use crate::ops::logins::touch_logins::TouchLogins;
use crate::ops::op::{Anonymous, System};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

/// A caller whose login was checked for this request.
pub struct Authenticated(pub Caller);

impl FromRequest for Authenticated {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Self(find_caller(&request).await?)) })
    }
}

/// An authenticated caller, and how long the authentication lasts.
#[derive(Clone, Copy, Debug)]
pub struct Credential {
    pub caller: Caller,
    /// When the token of the request expires. `None` for the secret of a login.
    pub expires_at: Option<Timestamp>,
    /// When another system signed the token, if the token says so.
    pub issued_at: Option<Timestamp>,
}

impl FromRequest for Credential {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(admit(&request).await?) })
    }
}

/// Finds the caller by the credential of the request.
///
/// # Errors
/// `Unauthenticated` if there is no credential, or it is invalid.
pub async fn find_caller(request: &HttpRequest) -> Result<Caller> {
    let credential = admit(request).await?;
    audit::names(request, credential.caller.user_id);
    Ok(credential.caller)
}

/// Finds the caller and the expiry of the credential. Counts the request.
///
/// # Errors
/// The errors of [`find_caller`], and `RateLimited` if this login sends too many requests.
pub async fn admit(request: &HttpRequest) -> Result<Credential> {
    let state = HttpState::of(request.app_data())?;
    let credential = match &*Presented::of(request) {
        Presented::Bearer(token) => admit_token(state, token).await?,
        Presented::Cookie(cookie) => admit_secret(state, cookie.value()).await?,
        Presented::None => return Err(Error::Unauthenticated("credentials are required")),
    };
    state.dispatcher.count_request(credential.caller, rate_tokens(request.path()))?;
    Ok(credential)
}

/// Does the same for a handshake. For a cookie, the same snapshot has what the session needs at its
/// start.
///
/// # Errors
/// The errors of [`admit`].
pub async fn admit_socket(request: &HttpRequest) -> Result<(Credential, Option<EarlyOpening>)> {
    let state = HttpState::of(request.app_data())?;
    let Presented::Cookie(cookie) = &*Presented::of(request) else { return Ok((admit(request).await?, None)) };
    let (token_hash, lifetime, run) = (hash_token(cookie.value()), state.login_lifetime, state.run);
    let outcome = state.dispatcher.call(Anonymous, FindCallerAndOpen { token_hash, lifetime, run }).await;
    let (found, opening) = match outcome {
        // The handshake needs the login only. The session tells the client what failed.
        Err(error) if error.code().meaning().is_temporary => return Ok((admit(request).await?, None)),
        outcome => outcome?,
    };
    let credential = to_credential(state, found, None);
    state.dispatcher.count_request(credential.caller, rate_tokens(request.path()))?;
    Ok((credential, opening))
}

/// Authenticates by a bearer token, from the header or from a frame.
pub async fn admit_token(state: &HttpState, token: &str) -> Result<Credential> {
    let Bearer { subject, expires_at } = state.tokens.verify(token, state.clock.now())?;
    let (found, issued_at) = match subject {
        TokenSubject::Login(user_id, login_id) => (find(state, Proof::Token(user_id, login_id)).await?, None),
        TokenSubject::ExternalUser(external_user) => {
            let issued_at = external_user.issued_at;
            (find_external_user(state, external_user).await?, issued_at)
        }
    };
    Ok(Credential { issued_at, ..to_credential(state, found.ok_or(UNKNOWN)?, Some(expires_at)) })
}

/// Authenticates by the secret of a login: a cookie or a refresh token.
pub async fn admit_secret(state: &HttpState, secret: &str) -> Result<Credential> {
    let found = find(state, Proof::Secret(hash_token(secret))).await?;
    Ok(to_credential(state, found.ok_or(UNKNOWN)?, None))
}

const UNKNOWN: Error = Error::Unauthenticated("the credentials are invalid or have expired");

async fn find(state: &HttpState, proof: Proof) -> Result<Option<Found>> {
    state.dispatcher.call(Anonymous, FindCaller { proof, lifetime: state.login_lifetime }).await
}

/// Finds the user of a token from another system. A new user gets an account.
async fn find_external_user(state: &HttpState, external_user: ExternalUser) -> Result<Option<Found>> {
    let ExternalUser { issuer, subject, .. } = external_user.clone();
    let proof = Proof::External { issuer, subject };
    if let Some(found) = find(state, proof.clone()).await? {
        return Ok(Some(found));
    }
    let (usernames, display_name) = (external_user.usernames(), external_user.display_name());
    let ExternalUser { issuer, subject, .. } = external_user;
    let user_id =
        state.dispatcher.call(Anonymous, ProvisionExternalUser { issuer, subject, usernames, display_name }).await?;
    log::info!("authenticated by a token of another system user={user_id}");
    find(state, proof).await
}

/// Authenticates by a ticket, which works once.
pub async fn admit_ticket(state: &HttpState, ticket: &str) -> Result<Credential> {
    let op = TakeTicket { ticket_hash: hash_token(ticket), lifetime: state.login_lifetime };
    let (found, expires_at) = state.dispatcher.call(Anonymous, op).await?;
    Ok(to_credential(state, found, expires_at))
}

fn to_credential(state: &HttpState, Found { caller, needs_touch }: Found, expires_at: Option<Timestamp>) -> Credential {
    if needs_touch {
        let (dispatcher, op) =
            (state.dispatcher.clone(), TouchLogins { logins: caller.login_id.into_iter().collect() });
        // The request does not wait for this call. The dispatcher logs its errors.
        actix_web::rt::spawn(async move { dispatcher.call(System, op).await.map(drop) });
    }
    Credential { caller, expires_at, issued_at: None }
}

/// Finds the logins that the cookies of a browser prove. Invalid cookies are left out.
///
/// # Errors
/// The database is unavailable.
pub async fn cookie_logins(state: &HttpState, request: &HttpRequest) -> Result<CookieLogins> {
    let mut found = CookieLogins { callers: Vec::new(), owns_old_name: false };
    let is_https = state.origins.is_https();
    for (name, is_old) in [(cookie_name(is_https), false), (old_cookie_name(is_https), true)] {
        let Some(cookie) = request.cookie(name) else { continue };
        match admit_secret(state, cookie.value()).await {
            Ok(credential) => {
                found.callers.push(credential.caller);
                found.owns_old_name |= is_old;
            }
            Err(error) if error.code() == Code::Unauthenticated => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Returns whether a cookie, rather than a token, authenticates the request.
pub fn came_by_cookie(request: &HttpRequest) -> bool {
    !Presented::of(request).is_bearer()
}

/// Returns the device that logs in, and the logins that it already has.
pub fn device(state: &HttpState, request: &HttpRequest, earlier: &CookieLogins) -> Device {
    let earlier = earlier.callers.iter().filter_map(|caller| Some((caller.user_id, caller.login_id?)));
    Device {
        earlier: earlier.collect(),
        user_agent: request.headers().get(header::USER_AGENT).and_then(|value| readable(value.as_bytes())),
        ip: state
            .trusted_proxies
            .client_address(request)
            .filter(|address| *address != UNKNOWN_ADDRESS)
            .map(|address| address.to_string()),
    }
}

/// Returns the printable part of a client's `User-Agent`, or `None` if no part is printable.
fn readable(user_agent: &[u8]) -> Option<String> {
    const MAX_CHARS: usize = 256;
    let text = String::from_utf8_lossy(user_agent);
    let text: String = text.trim().chars().filter(|letter| !letter.is_control()).take(MAX_CHARS).collect();
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_shown_without_unreadable_characters() {
        assert_eq!(readable(b" Firefox/1 \x1b[31m\t\x7f "), Some("Firefox/1 [31m".into()));
        assert_eq!(readable("Tücher 😀".as_bytes()), Some("Tücher 😀".into()));
        assert_eq!(readable(b"a\xffb"), Some("a\u{fffd}b".into()));
        assert_eq!(readable("ü".repeat(300).as_bytes()), Some("ü".repeat(256)));
        assert_eq!((readable(b""), readable(b" \x01")), (None, None));
    }
}
