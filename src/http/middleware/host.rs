//! The host that a request names.

use super::origin::is_safe;
use super::rate::refuse_or_continue;
use crate::http::credential::has_bearer;
use crate::http::state::Net;
use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;

/// The calls of probes, which are answered whatever `Host` they send.
const PROBES: [&str; 2] = ["/health", "/ready"];

/// 421 for any host but our own. Who shows a bearer token may use any name: no
/// cookie counts then, so a page gains nothing by a name of its own for this
/// machine. So may a probe, which only hears whether the hub is well.
pub async fn check_host(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let verdict = if has_bearer(request.headers()) || is_probe(&request) {
        Ok(())
    } else {
        // The host of an absolute request target wins (RFC 9112, 3.2.2).
        let target = request.uri().authority().map(|target| target.as_str().as_bytes());
        let mut named = request.headers().get_all(header::HOST).map(HeaderValue::as_bytes);
        let host = target.or_else(|| named.next());
        let is_ambiguous = request.headers().get_all(header::HOST).count() > 1;
        Net::of(request.app_data()).and_then(|net| net.origins.check_host(host.filter(|_| !is_ambiguous)))
    };
    refuse_or_continue(verdict, request, next).await
}

/// By the path as it was sent: one written in another way is not one of these.
fn is_probe(request: &ServiceRequest) -> bool {
    is_safe(request.method()) && PROBES.contains(&request.uri().path())
}
