//! Writes the audit line of a refused request.

use crate::error::Code;
use crate::http::audit::{keeps_out, named};
use crate::http::problem::Refusal;
use crate::http::state::HttpState;
use actix_web::HttpRequest;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

/// Writes the audit line of a refused request.
pub async fn record(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let refusal = response.response().extensions().get::<Refusal>().cloned();
    let code = refusal.as_ref().map(|refusal| refusal.code);
    let request = response.request();
    // The line has the pattern of the path, because a path may contain text that a user wrote.
    let path = request.match_pattern();
    let path = path.as_deref().unwrap_or("other");
    let is_handshake = path == "/ws" && response.status().as_u16() >= 400;
    if (code.is_some_and(keeps_out) || is_handshake)
        && let Ok(state) = HttpState::of(request.app_data())
    {
        let what = if code == Some(Code::BadCredentials) { "login failed" } else { "refused" };
        let user = named(request);
        let (status, method) = (response.status().as_u16(), method(request));
        let more = format_args!(" status={status} call={method}:{path}");
        state.peer(request).refused(&state.audit, what, user, refusal.as_ref(), more);
    }
    Ok(response)
}

/// Returns the method for the log, or `other` for a method that a client may have invented.
fn method(request: &HttpRequest) -> &str {
    match request.method().as_str() {
        known @ ("GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" | "PATCH" | "DELETE") => known,
        _ => "other",
    }
}
