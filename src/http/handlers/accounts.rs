//! Registration, login and logout over HTTP. Cookies and password threads are handled here. The
//! operations make the decisions.

use crate::auth::{SecretToken, Verdict};
use crate::error::{Error, Result};
use crate::http::audit;
use crate::http::extract::cookies;
use crate::http::extract::identity::{self, Authenticated};
use crate::http::extract::input::Json;
use crate::http::problem::Answer;
use crate::http::state::HttpState;
use crate::ops::accounts::begin_registration::BeginRegistration;
use crate::ops::accounts::register::Register;
use crate::ops::logins::attempts::{Attempt, RefundAttempt};
use crate::ops::logins::begin_login::{BeginLogin, BegunLogin};
use crate::ops::logins::log_in::LogIn;
use crate::ops::logins::log_out::LogOut;
use crate::ops::op::Anonymous;
use crate::ops::people::get_user::{GetUser, UserReply};
use crate::wire::{DisplayName, Email, NoTime, NotKept, Password, UserView, Username};
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
pub struct Registration {
    username: Username,
    password: Password,
    #[serde(default)]
    display_name: Option<DisplayName>,
    #[serde(default)]
    email: Option<Email>,
    #[serde(default, rename = "created_at")]
    _created_at: NoTime,
    #[serde(default, rename = "role")]
    _role: NotKept,
    #[serde(default, rename = "metadata")]
    _metadata: NotKept,
}

pub async fn register(state: web::Data<HttpState>, request: HttpRequest, Json(body): Json<Registration>) -> Answer {
    state.origins.check_page(request.headers())?;
    let address = state.client_network(&request);
    let attempt = state.dispatcher.call(Anonymous, BeginRegistration { address }).await?;
    let hashed = state.passwords.of(address).hash(body.password.as_str().to_owned()).await;
    let password_hash = refund_on_error(&state, &attempt, hashed).await?;
    let username = body.username.as_str().to_owned();
    let earlier = identity::cookie_logins(&state, &request).await?;
    let token = SecretToken::random();
    let op = Register {
        display_name: body.display_name.map_or_else(|| username.clone(), |name| name.as_str().to_owned()),
        username,
        email: body.email.map(|email| email.as_str().to_owned()),
        password_hash,
        token_hash: token.hash(),
        device: identity::device(&state, &request, &earlier),
        lifetime: state.login_lifetime,
    };
    let user = state.dispatcher.call(Anonymous, op).await?;
    for event in ["registered", "logged in"] {
        state.audit_event(&request, event, user.id);
    }
    let mut response = HttpResponse::Created();
    cookies::set(&mut response, cookies::new(&state, &token, &earlier));
    Ok(response.json(UserReply { user }))
}

#[derive(Deserialize, JsonSchema)]
pub struct Credentials {
    username: String,
    password: String,
    /// Also returns the refresh token in the body, for a client without cookies.
    #[serde(default)]
    refresh: bool,
}

#[derive(Serialize, JsonSchema)]
pub struct LoggedIn {
    user: UserView,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

pub async fn log_in(state: web::Data<HttpState>, request: HttpRequest, Json(body): Json<Credentials>) -> Answer {
    state.origins.check_page(request.headers())?;
    let address = state.client_network(&request);
    let passwords = state.passwords.of(address);
    let op = BeginLogin { username: body.username, address };
    let BegunLogin { credentials, attempt } = state.dispatcher.call(Anonymous, op).await?;
    let (user_id, stored) = credentials.unzip();
    if let Some(user_id) = user_id {
        audit::names(&request, user_id);
    }
    let verified = passwords.verify(body.password.clone(), stored.clone()).await;
    let verdict = refund_on_error(&state, &attempt, verified).await?;
    let (Some(user_id), Some(checked_hash)) = (user_id, stored) else { return Err(Error::BadCredentials.into()) };
    let new_password_hash = match verdict {
        Verdict::Wrong => return Err(Error::BadCredentials.into()),
        Verdict::Right => None,
        Verdict::RightButOutdated => {
            Some(refund_on_error(&state, &attempt, passwords.hash(body.password).await).await?)
        }
    };
    let earlier = refund_on_error(&state, &attempt, identity::cookie_logins(&state, &request).await).await?;
    let token = SecretToken::random();
    let op = LogIn {
        user_id,
        checked_hash,
        token_hash: token.hash(),
        device: identity::device(&state, &request, &earlier),
        attempt: Some(attempt),
        new_password_hash,
        lifetime: state.login_lifetime,
    };
    let user = state.dispatcher.call(Anonymous, op).await?;
    state.audit_event(&request, "logged in", user_id);
    let refresh_token = body.refresh.then(|| token.as_str().to_owned());
    let mut response = HttpResponse::Ok();
    cookies::set(&mut response, cookies::new(&state, &token, &earlier));
    Ok(response.json(LoggedIn { user, refresh_token }))
}

/// Gives the attempt back on an error. The client is not to blame if the hub has no time to check
/// a password.
async fn refund_on_error<T>(state: &HttpState, attempt: &Attempt, outcome: Result<T>) -> Result<T> {
    if outcome.is_err() {
        refund(state, attempt).await;
    }
    outcome
}

/// Gives the attempt back, as if the client had not tried.
pub(crate) async fn refund(state: &HttpState, attempt: &Attempt) {
    // An attempt that cannot be given back now expires later. The dispatcher logs the cause.
    let _ = state.dispatcher.call(Anonymous, RefundAttempt(attempt.clone())).await;
}

pub async fn log_out(
    state: web::Data<HttpState>,
    request: HttpRequest,
    Authenticated(caller): Authenticated,
) -> Answer {
    state.dispatcher.call(caller, LogOut).await?;
    state.audit_event(&request, "logged out", caller.user_id);
    let mut response = HttpResponse::NoContent();
    cookies::set(&mut response, cookies::ended(&state, &request));
    if identity::came_by_cookie(&request) {
        // A browser may have a second cookie, with the other name.
        let left = identity::cookie_logins(&state, &request).await?;
        for other in &left.callers {
            state.dispatcher.call(*other, LogOut).await?;
            state.audit_event(&request, "logged out", other.user_id);
        }
        cookies::set(&mut response, cookies::old_removal(&state, &left));
    }
    Ok(response.finish())
}

pub async fn me(state: web::Data<HttpState>, request: HttpRequest, Authenticated(caller): Authenticated) -> Answer {
    let user = state.dispatcher.call(caller, GetUser { user_id: caller.user_id }).await?;
    let mut response = HttpResponse::Ok();
    // A page sends this request when it opens, so the cookie gets its full lifetime again here.
    cookies::set(&mut response, cookies::renewed(&state, &request, None));
    Ok(response.json(user))
}
