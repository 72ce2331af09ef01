//! The HTTP calls about a user's signed-in devices, and the calls that end their logins: changing
//! the password and closing the account.

use super::accounts::refund;
use crate::auth::{Caller, SecretToken, Verdict};
use crate::error::{Error, Result};
use crate::http::extract::cookies;
use crate::http::extract::identity::{self, Authenticated, admit};
use crate::http::extract::input::{AuthedJson, part};
use crate::http::problem::Answer;
use crate::http::state::HttpState;
use crate::ids::{LoginId, Timestamp};
use crate::ops::accounts::close_account::CloseAccount;
use crate::ops::accounts::set_password::SetPassword;
use crate::ops::logins::end_login::EndLogin;
use crate::ops::logins::end_own_logins::EndOwnLogins;
use crate::ops::logins::find_password::{FindPassword, FoundPassword};
use crate::ops::logins::list_logins::ListLogins;
use crate::wire::Password;
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

pub async fn list_logins(state: web::Data<HttpState>, Authenticated(caller): Authenticated) -> Answer {
    let devices = state.dispatcher.call(caller, ListLogins { lifetime: state.login_lifetime }).await?;
    Ok(HttpResponse::Ok().json(devices))
}

pub async fn end_login(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let login_id: LoginId = part(&request, "login_id")?;
    state.dispatcher.call(caller, EndLogin { login_id }).await?;
    state.audit_event(&request, &format!("ended login={login_id}"), caller.user_id);
    let mut response = HttpResponse::NoContent();
    if Some(login_id) == caller.login_id {
        cookies::set(&mut response, cookies::ended(&state, &request));
    }
    Ok(response.finish())
}

/// Ends the caller's logins on every device, including this one.
pub async fn end_own_logins(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    state.dispatcher.call(caller, EndOwnLogins).await?;
    state.audit_event(&request, "ended all logins", caller.user_id);
    let mut response = HttpResponse::NoContent();
    cookies::set(&mut response, cookies::ended(&state, &request));
    Ok(response.finish())
}

#[derive(Deserialize, JsonSchema)]
pub struct PasswordChange {
    current_password: String,
    new_password: Password,
}

pub async fn set_password(
    state: web::Data<HttpState>,
    request: HttpRequest,
    AuthedJson(caller, body): AuthedJson<PasswordChange>,
) -> Answer {
    let checked_hash = check_password(&state, &request, &caller, body.current_password).await?;
    let new_hash =
        state.passwords.of(state.client_network(&request)).hash(body.new_password.as_str().to_owned()).await?;
    // A new secret also signs out anyone who copied the cookie.
    let token = identity::came_by_cookie(&request).then(SecretToken::random);
    let op = SetPassword { checked_hash, new_hash, token_hash: token.as_ref().map(SecretToken::hash) };
    state.dispatcher.call(caller, op).await?;
    state.audit_event(&request, "changed password", caller.user_id);
    let mut response = HttpResponse::NoContent();
    cookies::set(&mut response, cookies::renewed(&state, &request, token.as_ref()));
    Ok(response.finish())
}

#[derive(Deserialize, JsonSchema)]
pub struct CloseAccountBody {
    /// The current password. Omit it when you authenticate with a token of another system.
    #[serde(default)]
    password: Option<String>,
}

pub async fn close_account(
    state: web::Data<HttpState>,
    request: HttpRequest,
    AuthedJson(caller, body): AuthedJson<CloseAccountBody>,
) -> Answer {
    let checked_hash = match body.password {
        Some(password) => Some(check_password(&state, &request, &caller, password).await?),
        None if caller.login_id.is_some() => return Err(Error::Invalid("password is missing".into()).into()),
        None => {
            check_fresh(admit(&request).await?.issued_at, state.clock.now())?;
            None
        }
    };
    state.dispatcher.call(caller, CloseAccount { checked_hash }).await?;
    state.audit_event(&request, "closed account", caller.user_id);
    let mut response = HttpResponse::NoContent();
    cookies::set(&mut response, cookies::ended(&state, &request));
    Ok(response.finish())
}

/// Checks that the other system signed the token recently, for a user without a password. The other
/// system may then have asked its user to confirm.
fn check_fresh(issued_at: Option<Timestamp>, now: Timestamp) -> Result<()> {
    const MAX_AGE: Duration = Duration::from_secs(5 * 60);
    const MAX_AHEAD: Duration = Duration::from_secs(30);
    let is_fresh = issued_at.is_some_and(|at| now.before(MAX_AGE) < at && at <= now.after(MAX_AHEAD));
    let refusal = "to close this account, send a token whose iat is less than 5 minutes ago";
    is_fresh.then_some(()).ok_or(Error::Forbidden(refusal))
}

/// Checks the caller's password and returns its stored hash.
async fn check_password(state: &HttpState, request: &HttpRequest, caller: &Caller, password: String) -> Result<String> {
    let address = state.client_network(request);
    let FoundPassword { stored, attempt } = state.dispatcher.call(*caller, FindPassword { address }).await?;
    let verified = state.passwords.of(address).verify(password, Some(stored.clone())).await;
    if !matches!(verified, Ok(Verdict::Wrong)) {
        // A correct password counts as a checked password. A password that was not checked does not
        // count at all.
        let counted = if verified.is_ok() { attempt.guesses() } else { attempt };
        refund(state, &counted).await;
    }
    if verified? == Verdict::Wrong { Err(Error::BadCredentials) } else { Ok(stored) }
}
