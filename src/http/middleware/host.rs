//! Checks the host that a request names.

use super::origin::is_safe;
use super::rate::refuse_or_continue;
use crate::http::credential::Presented;
use crate::http::state::HttpState;
use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;

/// The calls of health probes, which are answered with any `Host`.
const PROBES: [&str; 2] = ["/health", "/ready"];

/// Answers 421 for any host but our own. A request with a bearer token may name any host. The hub
/// then ignores cookies, so a page gains nothing by its own name for this machine. A probe may also
/// name any host, because it only learns whether the hub is healthy.
pub async fn check_host(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let verdict = if Presented::of(request.request()).is_bearer() || is_probe(&request) {
        Ok(())
    } else {
        // The host of an absolute request target takes precedence (RFC 9112, 3.2.2).
        let target = request.uri().authority().map(|target| target.as_str().as_bytes());
        let mut named = request.headers().get_all(header::HOST).map(HeaderValue::as_bytes);
        let host = target.or_else(|| named.next());
        let is_ambiguous = request.headers().get_all(header::HOST).count() > 1;
        HttpState::of(request.app_data()).and_then(|state| state.origins.check_host(host.filter(|_| !is_ambiguous)))
    };
    refuse_or_continue(verdict, request, next).await
}

/// Compares the path as the client sent it. Another spelling of the path is not a probe.
fn is_probe(request: &ServiceRequest) -> bool {
    is_safe(request.method()) && PROBES.contains(&request.uri().path())
}
