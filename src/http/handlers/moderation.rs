//! The HTTP calls with which users report, and with which administrators act on reports. The
//! actions of administrators are logged.

use crate::http::extract::identity::Authenticated;
use crate::http::extract::input::{AuthedJson, Query, part};
use crate::http::problem::Answer;
use crate::http::state::HttpState;
use crate::ids::UserId;
use crate::ops::moderation::create_report::CreateReport;
use crate::ops::moderation::end_logins::EndLogins;
use crate::ops::moderation::get_connections::GetConnections;
use crate::ops::moderation::list_reports::ListReports;
use crate::ops::moderation::set_disabled::SetDisabled;
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;

/// Answers 201 for a new report, and 200 for an existing one.
pub async fn report(state: web::Data<HttpState>, AuthedJson(caller, op): AuthedJson<CreateReport>) -> Answer {
    let reported = state.dispatcher.call(caller, op).await?;
    let mut response = if reported.was_there { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(response.json(reported))
}

pub async fn list_reports(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    query: Query,
) -> Answer {
    let op = ListReports { before: query.get("before")?, limit: query.limit()? };
    let page = state.dispatcher.call(caller, op).await?;
    state.audit_event(&request, &format!("admin read reports count={}", page.reports.len()), caller.user_id);
    Ok(HttpResponse::Ok().json(page))
}

pub async fn disable(state: web::Data<HttpState>, authenticated: Authenticated, request: HttpRequest) -> Answer {
    set_disabled(&state, authenticated, &request, true).await
}

pub async fn enable(state: web::Data<HttpState>, authenticated: Authenticated, request: HttpRequest) -> Answer {
    set_disabled(&state, authenticated, &request, false).await
}

async fn set_disabled(
    state: &HttpState,
    Authenticated(caller): Authenticated,
    request: &HttpRequest,
    is_disabled: bool,
) -> Answer {
    let user_id: UserId = part(request, "id")?;
    state.dispatcher.call(caller, SetDisabled { user_id, is_disabled }).await?;
    let done = if is_disabled { "disabled" } else { "enabled" };
    state.audit_event(request, &format!("admin {done} account={user_id}"), caller.user_id);
    Ok(HttpResponse::NoContent().finish())
}

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
    let user_id: UserId = part(&request, "id")?;
    state.dispatcher.call(caller, GetConnections { user_id }).await?;
    let connections = state.hub.count_sessions(user_id).await?;
    state.audit_event(&request, &format!("admin read connections of={user_id}"), caller.user_id);
    Ok(HttpResponse::Ok().json(Connections { is_connected: connections > 0, connections }))
}

pub async fn end_connections(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let user_id: UserId = part(&request, "id")?;
    state.dispatcher.call(caller, EndLogins { user_id }).await?;
    state.audit_event(&request, &format!("admin ended logins of={user_id}"), caller.user_id);
    Ok(HttpResponse::NoContent().finish())
}
