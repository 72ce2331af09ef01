//! Whether the hub is up: for people, balancers and service managers.

use super::Net;
use crate::ids::Timestamp;
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

/// The calls of probes, which are answered whatever `Host` they send.
pub const PROBES: [&str; 2] = ["/health", "/ready"];

/// How long the database may take to answer before it counts as away.
const DEADLINE: Duration = Duration::from_secs(2);

#[derive(Serialize, JsonSchema)]
pub struct Health {
    status: &'static str,
    #[serde(flatten)]
    details: Option<Details>,
}

/// What only a program on this machine is told.
#[derive(Serialize, JsonSchema)]
pub struct Details {
    timestamp: Timestamp,
    version: &'static str,
    services: Services,
}

#[derive(Serialize, JsonSchema)]
pub struct Services {
    database: &'static str,
    redis: &'static str,
    websocket: Websocket,
}

#[derive(Serialize, JsonSchema)]
pub struct Websocket {
    status: &'static str,
    connections: usize,
    authenticated_users: usize,
}

/// `GET /health`: 200 while everything needed answers, else 503.
pub async fn health(net: web::Data<Net>, request: HttpRequest) -> HttpResponse {
    let database = database_answers(&net).await;
    let stats = net.hub.stats().await;
    let is_ok = database && stats.is_ok();
    let status = if is_ok { "ok" } else { "unavailable" };
    let websocket = if stats.is_ok() { "active" } else { "unavailable" };
    let stats = stats.unwrap_or_default();
    let details = is_local(&request).then(|| Details {
        timestamp: net.clock.now(),
        version: env!("CARGO_PKG_VERSION"),
        services: Services {
            database: if database { "connected" } else { "unavailable" },
            redis: "disabled",
            websocket: Websocket {
                status: websocket,
                connections: stats.connections,
                authenticated_users: stats.authenticated_users,
            },
        },
    });
    let body = Health { status, details };
    if is_ok { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

#[derive(Serialize, JsonSchema)]
pub struct Readiness {
    status: &'static str,
}

/// `GET /ready`: whether to send this node new work.
pub async fn ready(net: web::Data<Net>) -> HttpResponse {
    match database_answers(&net).await && net.hub.stats().await.is_ok_and(|stats| !stats.is_draining) {
        true => HttpResponse::Ok().json(Readiness { status: "ready" }),
        false => HttpResponse::ServiceUnavailable().json(Readiness { status: "unavailable" }),
    }
}

async fn database_answers(net: &Net) -> bool {
    matches!(tokio::time::timeout(DEADLINE, net.door.probe()).await, Ok(Ok(())))
}

/// Whether a program on this machine asks, and no proxy passes it on for somebody else.
fn is_local(request: &HttpRequest) -> bool {
    const BY_PROXIES: [&str; 6] =
        ["x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-host", "x-forwarded-proto"];
    let is_loopback = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    is_loopback && !BY_PROXIES.iter().any(|name| request.headers().contains_key(*name))
}
