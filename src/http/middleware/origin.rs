//! Checks the origin of the page that sends a request.

use super::rate::refuse_or_continue;
use crate::http::credential::Presented;
use crate::http::state::HttpState;
use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;

/// Answers 403 for every change that a page of another site requests in its visitor's name. A
/// request with a bearer token is exempt. Only the method decides, because a path can be written in
/// many ways. Sockets are checked at the handshake.
pub async fn check_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let verdict = if is_safe(request.method()) || Presented::of(request.request()).is_bearer() {
        Ok(())
    } else {
        HttpState::of(request.app_data()).and_then(|state| state.origins.check_page(request.headers()))
    };
    refuse_or_continue(verdict, request, next).await
}

/// Returns whether the method changes nothing.
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
