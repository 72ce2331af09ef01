//! The HTTP call with which administrators see whether a user is connected.

use crate::http::extract::identity::Authenticated;
use crate::http::extract::input::part;
use crate::http::problem::Answer;
use crate::http::state::HttpState;
use crate::ids::UserId;
use crate::ops::moderation::get_connections::GetConnections;
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Serialize, JsonSchema)]
pub struct Connections {
    is_connected: bool,
    connections: usize,
}

pub async fn get_connections(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let user_id: UserId = part(&request, "user_id")?;
    state.dispatcher.call(caller, GetConnections { user_id }).await?;
    let connections = state.hub.count_sessions(user_id).await?;
    state.audit_event(&request, &format!("admin read connections of={user_id}"), caller.user_id);
    Ok(HttpResponse::Ok().json(Connections { is_connected: connections > 0, connections }))
}
