//! Limits large HTTP answers to clients that do not read them. The waiting bytes count for their
//! user. If the node has no room, the hub drops the answer that has waited longest
//! ([`answers`](crate::http::answers)).
//!
//! The HTTP layer copies the output of a body into the buffer of the connection. This body returns
//! small pieces, so that only one piece is copied ahead.

use crate::http::answers::Share;
use crate::http::audit;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, ResponseError};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// The size above which a body is large. It is also the size of one piece.
const PIECE: usize = 32 * 1024;

/// A large body, which the hub can drop while it waits.
struct LargeBody {
    /// `None` once the body is dropped.
    rest: Arc<Mutex<Option<Bytes>>>,
    size: u64,
    _share: Option<Share>,
}

impl MessageBody for LargeBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.size)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        Poll::Ready(match &mut *rest {
            None => Some(Err(io::Error::other("the answer was not read in time"))),
            Some(bytes) if bytes.is_empty() => None,
            Some(bytes) => Some(Ok(bytes.split_to(bytes.len().min(PIECE)))),
        })
    }
}

/// Counts the answer if it is large. If too many bytes of the user's answers wait, it refuses the
/// answer and closes the connection.
pub async fn count(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    if !matches!(response.response().body().size(), BodySize::Sized(size) if size > PIECE as u64) {
        return Ok(response);
    }
    let (request, response) = response.into_parts();
    let (response, body) = response.into_parts();
    let bytes = match body.try_into_bytes() {
        Ok(bytes) => bytes,
        Err(body) => return Ok(ServiceResponse::new(request, response.set_body(body))),
    };
    let share = match (audit::named(&request), HttpState::of(request.app_data())) {
        (Some(user_id), Ok(state)) => state.answers.take(user_id, bytes.len()).map(Some),
        _ => Ok(None),
    };
    let mut share = match share {
        Ok(share) => share,
        Err(error) => {
            let mut refusal = Problem::from(error).error_response();
            // A client that does not read gets no further answers on this connection.
            refusal.head_mut().set_connection_type(ConnectionType::Close);
            return Ok(ServiceResponse::new(request, refusal));
        }
    };
    let size = bytes.len();
    let rest = Arc::new(Mutex::new(Some(bytes)));
    if let Some(share) = &mut share {
        let rest = Arc::clone(&rest);
        share.wait(size, move || drop(rest.lock().unwrap_or_else(PoisonError::into_inner).take()));
    }
    let body = LargeBody { rest, size: size as u64, _share: share };
    Ok(ServiceResponse::new(request, response.set_body(BoxBody::new(body))))
}
