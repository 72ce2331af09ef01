//! Holds chunked bodies that a handler does not read to the end. Otherwise actix would read them
//! after the answer, without a deadline, for as long as they come. While the body is held, actix
//! closes the connection instead.

use crate::http::keeping_body::KeepingBody;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use futures_util::{Stream, stream};
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;

/// Holds a chunked body until the answer is sent.
pub async fn hold(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if !request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let unread = Rc::new(RefCell::new(request.take_payload()));
    let reading = Rc::clone(&unread);
    let reading = stream::poll_fn(move |cx| Pin::new(&mut *reading.borrow_mut()).poll_next(cx));
    request.set_payload(Payload::Stream { payload: Box::pin(reading) });
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| BoxBody::new(KeepingBody::new(body.boxed(), unread))))
}
