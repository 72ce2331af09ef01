//! Registration, login and logout over HTTP: what needs cookies and password
//! threads stands here, what is decided stands in the operations.

use super::Net;
use super::guard::check_page;
use super::identity::{self, Known};
use super::input::Body;
use super::problem::Problem;
use crate::auth::SessionToken;
use crate::error::{Error, Result};
use crate::ids::{Timestamp, UserId};
use crate::ops::{FindCredentials, GetUser, LogIn, LogOut, Nobody, Register, UserReply};
use crate::wire::{DisplayName, Email, Password, UserView, Username};
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

type Answer = Result<HttpResponse, Problem>;

#[derive(Deserialize, JsonSchema)]
pub struct Registration {
    username: Username,
    password: Password,
    #[serde(default)]
    display_name: Option<DisplayName>,
    #[serde(default)]
    email: Option<Email>,
}

pub async fn register(net: web::Data<Net>, request: HttpRequest, Body(body): Body<Registration>) -> Answer {
    check_page(&net, request.headers())?;
    let password_hash = net.passwords.hash(body.password.as_str().to_owned()).await?;
    let username = body.username.as_str().to_owned();
    let op = Register {
        display_name: body.display_name.map_or_else(|| username.clone(), |name| name.as_str().to_owned()),
        username,
        email: body.email.map(|email| email.as_str().to_owned()),
        password_hash: password_hash.clone(),
    };
    let user = net.door.call(Nobody, op).await?;
    log::info!("registered user={}", user.id);
    begin(&net, &request, user.id, (password_hash, None), HttpResponse::Created()).await
}

#[derive(Deserialize, JsonSchema)]
pub struct Credentials {
    username: String,
    password: String,
}

pub async fn log_in(net: web::Data<Net>, request: HttpRequest, Body(body): Body<Credentials>) -> Answer {
    check_page(&net, request.headers())?;
    let found = net.door.call(Nobody, FindCredentials { username: body.username }).await?;
    let (user_id, stored) = found.unzip();
    let is_right = net.passwords.verify(body.password.clone(), stored.clone()).await?;
    let (Some(user_id), Some(stored), true) = (user_id, stored, is_right) else {
        let address = identity::client_address(&net, &request);
        let address = address.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        log::info!("login refused address={address}");
        return Err(Error::BadCredentials.into());
    };
    let new_hash = match net.passwords.is_outdated(&stored) {
        true => Some(net.passwords.hash(body.password).await?),
        false => None,
    };
    begin(&net, &request, user_id, (stored, new_hash), HttpResponse::Ok()).await
}

/// A new login for this device, with a token nobody had before; the hash that
/// the password was checked against, and one to replace it.
async fn begin(
    net: &Net,
    request: &HttpRequest,
    user_id: UserId,
    (checked_hash, new_password_hash): (String, Option<String>),
    mut response: actix_web::HttpResponseBuilder,
) -> Answer {
    let token = SessionToken::random();
    let op = LogIn {
        user_id,
        checked_hash,
        token_hash: token.hash(),
        device: identity::device(net, request),
        new_password_hash,
        lifetime: net.login_lifetime,
    };
    let user: UserView = net.door.call(Nobody, op).await.inspect_err(|error| {
        if let Error::Forbidden(_) = error {
            log::info!("login refused: {error} user={user_id}");
        }
    })?;
    log::info!("logged in user={user_id}");
    Ok(response.cookie(identity::session_cookie(net, &token)).json(UserReply { user }))
}

pub async fn log_out(net: web::Data<Net>, Known(caller): Known) -> Answer {
    net.door.call(caller, LogOut).await?;
    log::info!("logged out user={}", caller.user_id);
    Ok(HttpResponse::NoContent().cookie(identity::ended_cookie(&net)).finish())
}

pub async fn me(net: web::Data<Net>, request: HttpRequest, Known(caller): Known) -> Answer {
    let user = net.door.call(caller, GetUser { user_id: caller.user_id }).await?;
    let mut response = HttpResponse::Ok();
    // A page asks this when it opens: the moment to give the cookie its full
    // time again.
    if let Some(cookie) = identity::renewed_cookie(&net, &request).filter(|_| identity::came_by_cookie(&request)) {
        response.cookie(cookie);
    }
    Ok(response.json(user))
}

#[derive(Serialize, JsonSchema)]
pub struct Token {
    access_token: String,
    token_type: &'static str,
    expires_at: Timestamp,
}

pub async fn token(net: web::Data<Net>, Known(caller): Known) -> Answer {
    let (access_token, expires_at) = net.tokens.issue(caller.user_id, caller.login_id, net.clock.now())?;
    Ok(HttpResponse::Ok().json(Token { access_token, token_type: "Bearer", expires_at }))
}
