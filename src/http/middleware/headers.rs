//! Limits the size of a request head, and sets the response headers that keep browsers strict.

use super::rate::refuse_or_continue;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;

/// The policy of all responses except the hub's own pages. It forbids loading and framing.
const STRICTEST_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The size limit of the request line and the headers. The parser itself accepts 128 KiB.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Answers 431 for a head that is larger than any honest client sends. The parser does the same for
/// more than 96 headers.
pub async fn check_head(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // `name: value` and the end of the line.
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let is_small = headers.sum::<usize>() + target <= MAX_HEAD_BYTES;
    refuse_or_continue(if is_small { Ok(()) } else { Err(Problem::head_too_large()) }, request, next).await
}

/// Adds the strict defaults of the headers that the handler did not set.
pub async fn add_headers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_https = HttpState::of(request.app_data()).is_ok_and(|state| state.origins.is_https());
    let mut response = next.call(request).await?.map_into_boxed_body();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, STRICTEST_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        // Pages of ALLOWED_ORIGINS read responses by CORS, which this header does not affect.
        (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    ] {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if is_https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    Ok(response)
}
