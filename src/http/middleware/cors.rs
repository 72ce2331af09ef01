//! Sets what scripts of other origins may read (CORS). Pages of `ALLOWED_ORIGINS` may read
//! everything, with their visitor's login. All other origins may read nothing.

use crate::http::state::HttpState;
use actix_web::Error;
use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::Next;

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
const HEADERS: &str = "Authorization, Content-Type";
/// The number of seconds after which a browser sends a preflight request again.
const MAX_AGE: &str = "600";

/// Answers the preflight request of a browser, and names the origin that may read a response.
pub async fn allow(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Ok(state) = HttpState::of(request.app_data()) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let varies = state.origins.allows_others();
    let reader = reader(state, request.headers());
    let is_question = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && reader.is_some();
    let mut response = if is_question {
        let mut answer = HttpResponse::NoContent();
        answer
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE));
        request.into_response(answer.finish())
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    let headers = response.headers_mut();
    if varies {
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = reader {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    }
    Ok(response)
}

/// Returns the allowed origin that sends the request, in the operator's spelling.
fn reader(state: &HttpState, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut sent = headers.get_all(header::ORIGIN);
    let (Some(origin), None) = (sent.next(), sent.next()) else { return None };
    let allowed = state.origins.find_allowed(origin.to_str().ok()?)?;
    HeaderValue::from_str(allowed).ok()
}
