//! A response body that holds a value until it is sent.

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A response body that holds a value until the body is sent or dropped.
pub struct KeepingBody<T> {
    body: BoxBody,
    _kept: T,
}

impl<T> KeepingBody<T> {
    pub fn new(body: BoxBody, kept: T) -> Self {
        Self { body, _kept: kept }
    }
}

impl<T: Unpin> MessageBody for KeepingBody<T> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
