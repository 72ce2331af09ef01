//! What an actor holds of its socket: messages that came, what it wrote until
//! the pump takes it, and how much of that still waits.

use actix_http::ws::{Codec, Message, ProtocolError};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use futures_util::Stream;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio_util::codec::Encoder;

/// The actor's handle; the pump has the other.
#[derive(Clone, Default)]
pub struct Socket(Rc<Shared>);

#[derive(Default)]
struct Shared {
    incoming: RefCell<Queue>,
    /// Frames of the actor that the pump has not taken yet.
    written: RefCell<BytesMut>,
    /// Bytes that wait for the peer and count.
    unsent: Cell<usize>,
    /// Of who wants to know when none do.
    waits_for_clear: RefCell<Option<Waker>>,
    /// What the actor wrote since the pump looked has an answer in it.
    has_answer: Cell<bool>,
    /// Dropped when the answer is taken, or the socket closed for good.
    until_taken: RefCell<Option<Box<dyn Any>>>,
    /// Nothing goes out, because the actor is about to write more.
    is_held: Cell<bool>,
    /// Why the pump closed the socket.
    closed_with: Cell<Option<u16>>,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    /// The actor is at work on one.
    is_paused: bool,
    /// Nothing comes any more.
    is_over: bool,
    /// And the actor knows.
    eof_sent: bool,
    waker: Option<Waker>,
}

impl Queue {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Socket {
    /// No further message until `resume`, or until the answer is written.
    pub fn pause(&self) {
        self.0.incoming.borrow_mut().is_paused = true;
    }

    pub fn resume(&self) {
        drop(self.0.until_taken.take());
        let mut incoming = self.0.incoming.borrow_mut();
        incoming.is_paused = false;
        // With nothing to take, the actor waits for the next read.
        if !incoming.messages.is_empty() || incoming.is_over {
            incoming.wake();
        }
    }

    /// Writes a message behind those before. Only at work: nobody else has the
    /// pump look. The context of the actor could do the same, and would keep its
    /// queue for as long as the socket is open.
    pub fn text(&self, text: impl Into<ByteString>) {
        self.encode(Message::Text(text.into()));
    }

    pub fn binary(&self, bytes: Bytes) {
        self.encode(Message::Binary(bytes));
    }

    fn encode(&self, message: Message) {
        // Fails only for continuations, which these are not.
        let _ = Codec::new().encode(message, &mut self.0.written.borrow_mut());
    }

    /// What was just written answers the message at work: it does not count
    /// as unsent, and the next message waits until the peer has taken it.
    pub fn has_answered(&self) {
        self.0.has_answer.set(true);
    }

    /// Keeps something until the peer has taken the answer that was just written.
    pub fn keep_until_taken(&self, kept: impl Sized + 'static) {
        self.0.until_taken.replace(Some(Box::new(kept)));
    }

    /// Nothing goes out until `release`, and then all of it at once: for what
    /// follows in a moment, as each write costs more than all that it carries.
    pub fn hold(&self) {
        self.0.is_held.set(true);
    }

    pub fn release(&self) {
        self.0.is_held.set(false);
    }

    /// Bytes that wait for the peer to read them, answers aside.
    pub fn unsent(&self) -> usize {
        self.0.unsent.get()
    }

    /// Done when no byte waits for the peer any more.
    pub fn is_clear(&self) -> impl Future<Output = ()> + use<> {
        let socket = self.clone();
        poll_fn(move |cx| match socket.unsent() {
            0 => Poll::Ready(()),
            _ => {
                socket.0.waits_for_clear.replace(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
    }

    /// The code it was closed with from below the actor.
    pub fn closed_with(&self) -> Option<u16> {
        self.0.closed_with.get()
    }

    // The pump's side.

    pub(super) fn incoming(&self) -> Incoming {
        Incoming(self.clone())
    }

    pub(super) fn give(&self, message: Message) {
        self.0.incoming.borrow_mut().messages.push_back(message);
    }

    pub(super) fn end(&self) {
        self.0.incoming.borrow_mut().is_over = true;
    }

    /// Whether the actor has taken everything and would take more.
    pub(super) fn wants_input(&self) -> bool {
        let incoming = self.0.incoming.borrow();
        incoming.messages.is_empty() && !incoming.is_paused && !incoming.is_over
    }

    pub(super) fn take_written(&self) -> Bytes {
        self.0.written.take().freeze()
    }

    pub(super) fn is_held(&self) -> bool {
        self.0.is_held.get()
    }

    pub(super) fn take_answer_mark(&self) -> bool {
        self.0.has_answer.take()
    }

    pub(super) fn set_unsent(&self, bytes: usize) {
        self.0.unsent.set(bytes);
        if bytes == 0
            && let Some(waker) = self.0.waits_for_clear.take()
        {
            waker.wake();
        }
    }

    pub(super) fn set_closed_with(&self, code: u16) {
        self.0.closed_with.set(Some(code));
    }
}

/// What the peer sent, in order, as fast as the actor takes it; last of all an
/// error, when the peer is gone.
pub struct Incoming(Socket);

impl Stream for Incoming {
    type Item = Result<Message, ProtocolError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut queue = self.0.0.incoming.borrow_mut();
        if !queue.is_paused {
            if let Some(message) = queue.messages.pop_front() {
                if queue.messages.is_empty() {
                    // An idle socket keeps no buffer.
                    queue.messages = VecDeque::new();
                }
                return Poll::Ready(Some(Ok(message)));
            }
            if queue.is_over && !queue.eof_sent {
                queue.eof_sent = true;
                return Poll::Ready(Some(Err(ProtocolError::Io(io::ErrorKind::UnexpectedEof.into()))));
            }
        }
        queue.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
