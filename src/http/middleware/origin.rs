//! The page that a request comes from.

use super::rate::refuse_or_continue;
use crate::http::credential::has_bearer;
use crate::http::state::Net;
use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;

/// 403 for every change that a page of another site asks in its visitor's
/// name, unless a bearer token says who asks. By the method alone: a path can
/// be written in many ways. Sockets are checked where they are opened.
pub async fn check_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let verdict = if is_safe(request.method()) || has_bearer(request.headers()) {
        Ok(())
    } else {
        Net::of(request.app_data()).and_then(|net| net.origins.check_page(request.headers()))
    };
    refuse_or_continue(verdict, request, next).await
}

/// Whether the method changes nothing.
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
