//! The rate of requests from one address, and what a refusal costs the client.

use crate::http::problem::Problem;
use crate::http::state::Net;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError};
use std::num::NonZeroU32;
use std::time::Duration;

/// A socket costs the hub a handshake, reads, and news of the person's presence.
const TOKENS_TO_CONNECT: NonZeroU32 = NonZeroU32::new(4).unwrap();

/// For so long an address that asks too often waits for its refusal.
const HOLD: Duration = Duration::from_millis(250);

/// 429 for an address that asks too often. This machine and the trusted proxies
/// are not counted: everybody may come by way of them.
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

/// As how many requests one counts.
pub fn rate_tokens(path: &str) -> NonZeroU32 {
    if path == "/ws" { TOKENS_TO_CONNECT } else { NonZeroU32::MIN }
}

/// Counts a request for its address.
fn count(request: &ServiceRequest) -> crate::error::Result<()> {
    let net = Net::of(request.app_data())?;
    let address = net.client_network(request.request());
    let is_counted = !address.is_loopback() && !net.trusted_proxies.contains(address);
    if is_counted { net.dispatcher.count_request_from(address, rate_tokens(request.path())) } else { Ok(()) }
}

/// Lets an address that asks too often wait for its refusal, and with it what its connection
/// asks next: otherwise a client that sends on regardless keeps a processor busy. Bounded by
/// [`HeldRefusals`](crate::http::held_refusals::HeldRefusals); above that a refusal is given at once.
async fn hold(request: &ServiceRequest) {
    if let Ok(net) = Net::of(request.app_data())
        && let Ok(_held) = net.held_refusals.0.try_acquire()
    {
        tokio::time::sleep(HOLD).await;
    }
}

/// Refuses the request, or hands it on.
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
            // A connection that has more to ask lets the others of this worker go first.
            tokio::task::yield_now().await;
            Ok(request.into_response(error.into().error_response()))
        }
    }
}
