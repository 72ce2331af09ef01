//! The actor's handle of its socket. It holds the received messages, the written bytes until the
//! connection takes them, and the number of bytes that still wait.

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

/// The actor's handle. The connection has the other one.
#[derive(Clone, Default)]
pub struct Socket(Rc<Shared>);

#[derive(Default)]
struct Shared {
    incoming: RefCell<Queue>,
    /// Frames of the actor that the connection has not taken yet.
    written: RefCell<BytesMut>,
    /// The waiting bytes that count.
    unsent: Cell<usize>,
    /// The waker of the task that waits until no bytes wait.
    waits_for_clear: RefCell<Option<Waker>>,
    /// Whether the actor has written an answer since the connection last looked.
    has_answer: Cell<bool>,
    /// Dropped when the answer is taken, or when the socket is closed for good.
    until_taken: RefCell<Option<Box<dyn Any>>>,
    /// Nothing is sent, because the actor is about to write more.
    is_corked: Cell<bool>,
    /// The code with which the connection closed the socket.
    closed_with: Cell<Option<u16>>,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    /// The actor is processing a message.
    is_paused: bool,
    /// No more input comes.
    is_over: bool,
    /// The actor has received the end of input.
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
    /// Delivers no further message until `resume`, or until the answer is written.
    pub fn pause(&self) {
        self.0.incoming.borrow_mut().is_paused = true;
    }

    pub fn resume(&self) {
        drop(self.0.until_taken.take());
        let mut incoming = self.0.incoming.borrow_mut();
        incoming.is_paused = false;
        // If there is nothing to take, the actor waits for the next read.
        if !incoming.messages.is_empty() || incoming.is_over {
            incoming.wake();
        }
    }

    /// Queues a message after the earlier ones. Call it only from the actor's own work, because
    /// nothing else wakes the connection. The context of the actor could do the same, but would
    /// keep its queue for as long as the socket is open.
    pub fn text(&self, text: impl Into<ByteString>) {
        self.encode(Message::Text(text.into()));
    }

    pub fn binary(&self, bytes: Bytes) {
        self.encode(Message::Binary(bytes));
    }

    fn encode(&self, message: Message) {
        // This fails only for continuation frames, which are not used here.
        let _ = Codec::new().encode(message, &mut self.0.written.borrow_mut());
    }

    /// Marks the last written frame as the answer to the current message. It does not count as
    /// unsent, and the next message waits until the client has taken it.
    pub fn has_answered(&self) {
        self.0.has_answer.set(true);
    }

    /// Keeps a value until the client has taken the last written answer.
    pub fn keep_until_taken(&self, kept: impl Sized + 'static) {
        self.0.until_taken.replace(Some(Box::new(kept)));
    }

    /// Holds all output until `uncork`, and then sends it in one write. Use it when more output
    /// follows in a moment, because each write costs more than all the bytes it carries.
    pub fn cork(&self) {
        self.0.is_corked.set(true);
    }

    pub fn uncork(&self) {
        self.0.is_corked.set(false);
    }

    /// Returns the bytes that wait for the client, not counting answers.
    pub fn unsent(&self) -> usize {
        self.0.unsent.get()
    }

    /// Completes when no bytes wait for the client.
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

    /// Returns the code with which the transport closed the socket.
    pub fn closed_with(&self) -> Option<u16> {
        self.0.closed_with.get()
    }

    // The connection's side.

    pub(super) fn incoming(&self) -> Incoming {
        Incoming(self.clone())
    }

    pub(super) fn give(&self, message: Message) {
        self.0.incoming.borrow_mut().messages.push_back(message);
    }

    pub(super) fn end(&self) {
        self.0.incoming.borrow_mut().is_over = true;
    }

    /// Returns whether the actor has taken everything and accepts more.
    pub(super) fn wants_input(&self) -> bool {
        let incoming = self.0.incoming.borrow();
        incoming.messages.is_empty() && !incoming.is_paused && !incoming.is_over
    }

    pub(super) fn take_written(&self) -> Bytes {
        self.0.written.take().freeze()
    }

    pub(super) fn is_corked(&self) -> bool {
        self.0.is_corked.get()
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

/// The client's messages, in order, as fast as the actor takes them. The last item is an error if
/// the client is gone.
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
