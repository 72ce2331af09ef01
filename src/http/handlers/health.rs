//! The health of the hub, for people, load balancers and service managers.

use crate::http::state::HttpState;
use crate::http::write_check::within_deadline;
use crate::ids::Timestamp;
use crate::jobs::driver::JobStatus;
use crate::phase::Phase;
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Serialize, JsonSchema)]
pub struct Health {
    status: &'static str,
    #[serde(flatten)]
    details: Option<Details>,
}

/// The details that only a program on the hub's machine gets.
#[derive(Serialize, JsonSchema)]
pub struct Details {
    /// The reason why the hub is not healthy, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'static, str>>,
    timestamp: Timestamp,
    version: &'static str,
    services: Services,
    /// The background jobs, by name.
    jobs: BTreeMap<&'static str, JobHealth>,
}

#[derive(Serialize, JsonSchema)]
pub struct Services {
    database: &'static str,
    redis: &'static str,
    websocket: Websocket,
}

#[derive(Serialize, JsonSchema)]
pub struct JobHealth {
    /// `ok`, or `failing` from a failed step until the next successful step.
    status: &'static str,
    /// When the last successful step ended. Null before the first one.
    last_success_at: Option<Timestamp>,
    /// The number of failed steps since the hub started.
    failures: u64,
}

impl From<JobStatus> for JobHealth {
    fn from(JobStatus { last_success_at, failures_in_a_row, failures }: JobStatus) -> Self {
        let status = if failures_in_a_row == 0 { "ok" } else { "failing" };
        Self { status, last_success_at, failures }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Websocket {
    status: &'static str,
    connections: usize,
    authenticated_users: usize,
}

/// `GET /health`: answers 200 while all required services respond, else 503.
pub async fn health(state: web::Data<HttpState>, request: HttpRequest) -> HttpResponse {
    let trouble = trouble_of_database(&state).await;
    let database = if trouble.is_none() { "connected" } else { "unavailable" };
    let stats = state.hub.stats().await;
    let reason = trouble.or_else(|| stats.as_ref().err().map(|error| error.detail().into_owned().into()));
    let is_ok = reason.is_none();
    let status = if is_ok { "ok" } else { "unavailable" };
    let websocket = if stats.is_ok() { "active" } else { "unavailable" };
    let stats = stats.unwrap_or_default();
    let details = is_local(&request).then(|| Details {
        reason,
        timestamp: state.clock.now(),
        version: env!("CARGO_PKG_VERSION"),
        services: Services {
            database,
            redis: "disabled",
            websocket: Websocket {
                status: websocket,
                connections: stats.connections,
                authenticated_users: stats.authenticated_users,
            },
        },
        jobs: state.jobs.list().into_iter().map(|(name, status)| (name, status.into())).collect(),
    });
    let body = Health { status, details };
    if is_ok { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

#[derive(Serialize, JsonSchema)]
pub struct Readiness {
    status: &'static str,
    /// The reason why this node takes no new work. Only a program on the hub's machine gets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'static, str>>,
}

/// `GET /ready`: tells whether this node takes new work.
pub async fn ready(state: web::Data<HttpState>, request: HttpRequest) -> HttpResponse {
    let reason = match state.phase.current() {
        Phase::Running => match trouble_of_database(&state).await {
            Some(trouble) => Some(trouble),
            None => state.hub.stats().await.err().map(|error| error.detail().into_owned().into()),
        },
        Phase::Draining { .. } | Phase::Stopped => Some("the hub is restarting".into()),
    };
    let is_ready = reason.is_none();
    let reason = reason.filter(|_| is_local(&request));
    match is_ready {
        true => HttpResponse::Ok().json(Readiness { status: "ready", reason }),
        false => HttpResponse::ServiceUnavailable().json(Readiness { status: "unavailable", reason }),
    }
}

/// Returns why the database cannot be used now, or `None` if it can.
async fn trouble_of_database(state: &HttpState) -> Option<Cow<'static, str>> {
    let answers = within_deadline(state.dispatcher.probe()).await;
    match answers.or_else(|| state.dispatcher.recent_write_trouble()) {
        Some(trouble) => Some(trouble),
        None => state.writes.trouble(&state.dispatcher).await,
    }
}

/// Returns whether the client is a program on this machine, and not a proxy that forwards a
/// request.
fn is_local(request: &HttpRequest) -> bool {
    const BY_PROXIES: [&str; 6] =
        ["x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-host", "x-forwarded-proto"];
    let is_loopback = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    is_loopback && !BY_PROXIES.iter().any(|name| request.headers().contains_key(*name))
}
