//! Issues the short-lived credentials of a login for less trusted places. Access tokens live for
//! minutes. A ticket opens one socket.

use crate::auth::SecretToken;
use crate::error::Error;
use crate::http::extract::identity::{self, Credential, admit, admit_secret};
use crate::http::extract::input::OptionalJson;
use crate::http::problem::Answer;
use crate::http::state::HttpState;
use crate::ids::Timestamp;
use crate::ops::logins::create_ticket::CreateTicket;
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize, JsonSchema)]
pub struct Refresh {
    #[serde(default)]
    refresh_token: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Token {
    access_token: String,
    token_type: &'static str,
    expires_at: Timestamp,
}

/// Issues an access token. It accepts only the secret of a login. A token that could fetch the next
/// token would live as long as the login.
pub async fn token(
    state: web::Data<HttpState>,
    request: HttpRequest,
    OptionalJson(body): OptionalJson<Refresh>,
) -> Answer {
    const NEEDED: Error = Error::Unauthenticated("send a refresh_token or the session cookie");
    let credential = match body.refresh_token {
        Some(secret) => admit_secret(&state, &secret).await?,
        None if identity::came_by_cookie(&request) => admit(&request).await?,
        None => return Err(NEEDED.into()),
    };
    let login_id = credential.caller.login_id.ok_or(NEEDED)?;
    let (access_token, expires_at) = state.tokens.ours.issue(credential.caller.user_id, login_id, state.clock.now())?;
    Ok(HttpResponse::Ok().json(Token { access_token, token_type: "Bearer", expires_at }))
}

#[derive(Serialize, JsonSchema)]
pub struct Ticket {
    ticket: String,
    expires_at: Timestamp,
}

pub async fn ticket(state: web::Data<HttpState>, credential: Credential) -> Answer {
    let ticket = SecretToken::random();
    let op = CreateTicket { ticket_hash: ticket.hash(), token_expires_at: credential.expires_at };
    let expires_at = state.dispatcher.call(credential.caller, op).await?;
    Ok(HttpResponse::Ok().json(Ticket { ticket: ticket.as_str().to_owned(), expires_at }))
}
