//! A connection for HTTP that reads little of the next requests while one request is answered.
//!
//! actix alone would read 128 KiB of them and decode them all. Without room for more, it would keep
//! asking for more without a pause. One connection would keep a worker busy and occupy megabytes of
//! memory.

use super::turns::{self, Turn};
use crate::http::keeping_body::KeepingBody;
use actix_codec::{AsyncRead, AsyncWrite, ReadBuf};
use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use actix_http::{HttpMessage, Request};
use actix_web::rt::net::TcpStream;
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The bytes that are read at once, and the bytes read ahead of the current answer. They may
/// contain a few more requests.
const AHEAD: usize = 8 * 1024;
/// The size above which a body is sent in pieces, as the client takes them.
const LARGE_BODY: u64 = 32 * 1024;

/// The read progress of a connection. It stays on the thread of its worker.
#[derive(Default)]
pub(super) struct Pace {
    under_way: Cell<usize>,
    /// The bytes that may be read before the answer.
    left: Cell<usize>,
    /// The bytes read since the last pause.
    at_once: Cell<usize>,
    reader: RefCell<Option<Waker>>,
    /// The turn to read the next request, when no request is in progress.
    turn: Rc<Turn>,
}

/// A request that is not answered yet.
pub(super) struct UnderWay(Rc<Pace>);

impl Pace {
    /// Begins a request. Its own body may be read.
    pub fn begin(self: Rc<Self>, request: &Request) -> UnderWay {
        self.under_way.set(self.under_way.get() + 1);
        self.left.set(self.left.get().min(AHEAD).saturating_add(body_size(request.headers())));
        self.wake();
        UnderWay(self)
    }

    /// Returns whether the reader has to pause. The reader is woken when it may continue.
    fn pauses(&self, context: &Context<'_>) -> bool {
        if self.under_way.get() == 0 {
            // All requests that were read have been answered.
            self.left.set(AHEAD);
            if !self.turn.has_come(context) {
                return true;
            }
        } else if self.left.get() == 0 {
            *self.reader.borrow_mut() = Some(context.waker().clone());
            return true;
        }
        if self.at_once.get() >= AHEAD {
            self.at_once.set(0);
            context.waker().wake_by_ref();
            return true;
        }
        false
    }

    fn wake(&self) {
        if let Some(reader) = self.reader.borrow_mut().take() {
            reader.wake();
        }
    }

    fn count(&self, bytes: usize) {
        self.at_once.set(self.at_once.get() + bytes);
        if self.under_way.get() > 0 {
            self.left.set(self.left.get().saturating_sub(bytes));
        } else if bytes > 0 {
            turns::count();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
        self.0.wake();
    }
}

/// Returns the announced body size. A chunked body has no limit, because its reader slows it down.
fn body_size(headers: &HeaderMap) -> usize {
    if headers.contains_key(TRANSFER_ENCODING) {
        return usize::MAX;
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}

/// Ends the request with its answer: immediately, or after a large body is sent.
pub(super) fn until_sent(body: BoxBody, under_way: UnderWay) -> BoxBody {
    match body.size() {
        BodySize::Sized(size) if size <= LARGE_BODY => body,
        BodySize::None => body,
        _ => BoxBody::new(KeepingBody::new(body, under_way)),
    }
}

/// The connection.
pub(super) struct HttpIo {
    io: TcpStream,
    pace: Rc<Pace>,
    /// The turn to close. Thousands of connections that went idle together would otherwise close
    /// together.
    closing: Rc<Turn>,
}

impl HttpIo {
    pub fn new(io: TcpStream) -> Self {
        Self { io, pace: Rc::default(), closing: Rc::default() }
    }

    pub fn pace(&self) -> &Rc<Pace> {
        &self.pace
    }

    pub fn tcp(&self) -> &TcpStream {
        &self.io
    }

    pub fn into_tcp(self) -> TcpStream {
        self.io
    }
}

impl AsyncRead for HttpIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.pace.pauses(context) {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.io).poll_read(context, buffer);
        match outcome {
            Poll::Ready(_) => self.pace.count(buffer.filled().len() - before),
            Poll::Pending => self.pace.at_once.set(0),
        }
        outcome
    }
}

impl AsyncWrite for HttpIo {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closing.has_come(context) {
            return Poll::Pending;
        }
        turns::count();
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::rt;
    use std::future::poll_fn;

    #[actix_web::test]
    async fn connections_ending_at_once_are_closed_in_small_groups() {
        let listener = rt::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, closed) = (listener.local_addr().unwrap(), Rc::<Cell<usize>>::default());
        let mut peers = Vec::new();
        for _ in 0..100 {
            peers.push(TcpStream::connect(address).await.unwrap());
            let (mut io, closed) = (HttpIo::new(listener.accept().await.unwrap().0), Rc::clone(&closed));
            rt::spawn(async move {
                // The tasks start together, once all are there.
                tokio::task::yield_now().await;
                poll_fn(|context| Pin::new(&mut io).poll_shutdown(context)).await.unwrap();
                closed.set(closed.get() + 1);
            });
        }
        let mut before = closed.get();
        while closed.get() < 100 {
            tokio::task::yield_now().await;
            assert!(closed.get() - before <= 8, "{before} and then {} were closed", closed.get());
            before = closed.get();
        }
    }
}
