//! Limits the rate of requests from one address, and sets the cost of a refusal for the client.

use crate::http::problem::Problem;
use crate::http::state::HttpState;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError};
use std::num::NonZeroU32;
use std::time::Duration;

/// The tokens of a handshake. A socket costs the hub a handshake, reads, and updates of the user's
/// presence.
const TOKENS_TO_CONNECT: NonZeroU32 = NonZeroU32::new(4).unwrap();

/// The delay of a refusal for an address over its rate limit.
const HOLD: Duration = Duration::from_millis(250);

/// Answers 429 for an address that sends too many requests. This machine and the trusted proxies
/// are not counted, because all users may come through them.
pub async fn check_rate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match count(&request) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(error) => {
            hold(&request).await;
            Ok(request.into_response(Problem::from(error).error_response()))
        }
    }
}

/// Returns the number of tokens that a request costs.
pub fn rate_tokens(path: &str) -> NonZeroU32 {
    if path == "/ws" { TOKENS_TO_CONNECT } else { NonZeroU32::MIN }
}

/// Counts a request for its address.
fn count(request: &ServiceRequest) -> crate::error::Result<()> {
    let state = HttpState::of(request.app_data())?;
    let address = state.client_network(request.request());
    let is_counted = !address.is_loopback() && !state.trusted_proxies.contains(address);
    if is_counted { state.dispatcher.count_request_from(address, rate_tokens(request.path())) } else { Ok(()) }
}

/// Delays the refusal for an address over its rate limit, and the next requests of its connection.
/// Without the delay, a client that keeps sending would keep a processor busy.
/// [`HeldRefusals`](crate::http::held_refusals::HeldRefusals) limits how many refusals wait. Above
/// that limit a refusal is sent immediately.
async fn hold(request: &ServiceRequest) {
    if let Ok(state) = HttpState::of(request.app_data())
        && let Ok(_held) = state.held_refusals.0.try_acquire()
    {
        tokio::time::sleep(HOLD).await;
    }
}

/// Refuses the request, or passes it on.
pub async fn refuse_or_continue(
    verdict: Result<(), impl Into<Problem>>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match verdict {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(error) => {
            if count(&request).is_err() {
                hold(&request).await;
            }
            // A connection with more requests lets the other connections of this worker run first.
            tokio::task::yield_now().await;
            Ok(request.into_response(error.into().error_response()))
        }
    }
}
