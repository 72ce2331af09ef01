//! Parses the credential of a request for everything that follows.

use crate::http::credential::Presented;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError};

/// Parses the credential. Nothing checks it yet.
pub async fn parse(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match HttpState::of(request.app_data()) {
        Ok(state) => Presented::parse(request.request(), &state.origins),
        Err(error) => return Ok(request.into_response(Problem::from(error).error_response())),
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}
