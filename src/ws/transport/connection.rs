//! The future that owns a socket after its handshake. It passes bytes from the client to the actor
//! and frames from the actor to the client. It also runs the heartbeat and the shutdown.
//!
//! The actor lives inside this future, which polls it regardless of the client. So a client that
//! reads nothing blocks no other. The limits of the outbox disconnect that client here.

use super::buffer::with_buffer;
use super::byte_rate::ByteRateLimiter;
use super::inbound::Inbound;
use super::outbox::Outbox;
use super::settings::TransportSettings;
use super::shutdown::finish;
use super::socket::Socket;
use crate::wire::CloseCode;
use actix_codec::{AsyncRead, ReadBuf};
use actix_http::ws::{CloseReason, Codec, Message};
use actix_web::rt::net::TcpStream;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use std::future::poll_fn;
use std::io;
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::time::{Sleep, sleep_until};
use tokio_util::codec::Encoder;

/// The most polls of the client and the actor before other sockets run.
const MAX_POLLS: usize = 4;
/// The most messages that the actor gets at once. The limit lets the actor end a flood of small
/// messages. Pings among the rest are then no longer answered.
const MESSAGES: usize = 32;

/// The reason why a socket ends.
enum End {
    /// The client is gone.
    Gone,
    /// The actor ended. Its last frames are still to be sent.
    Done,
    /// The client broke a rule, so the hub closes the socket.
    Closed(CloseCode),
}

/// The connection of one socket. It drops the held value when the socket is closed for good.
pub struct Connection<H> {
    io: TcpStream,
    socket: Socket,
    inbound: Inbound,
    outbox: Outbox,
    settings: Arc<TransportSettings>,
    byte_rate: ByteRateLimiter,
    last_received_at: Instant,
    ping_at: Instant,
    /// Whether the connection was ready to read at the last poll.
    was_reading: bool,
    /// The client's fault, kept until the actor has handled the earlier messages.
    fault: Option<CloseCode>,
    _held: H,
}

impl<H> Connection<H> {
    pub fn new(io: TcpStream, socket: Socket, settings: Arc<TransportSettings>, held: H) -> Self {
        let now = Instant::now();
        Self {
            inbound: Inbound::new(settings.max_frame_bytes, settings.takes_binary),
            outbox: Outbox::new(now),
            byte_rate: ByteRateLimiter::new(settings.bytes),
            was_reading: true,
            fault: None,
            last_received_at: now,
            ping_at: now + settings.heartbeat_interval,
            io,
            socket,
            settings,
            _held: held,
        }
    }

    /// Queues bytes that go out before the frames of the actor.
    pub fn write_first(&mut self, bytes: Bytes) {
        self.push(bytes, false, Instant::now());
    }

    /// Adds the bytes that came with the handshake.
    pub fn read_first(&mut self, bytes: &[u8]) {
        self.inbound.push(bytes);
    }

    /// Runs until the socket is closed. The actor has ended before that.
    ///
    /// Large values are boxed, because a future reserves room for a value in every place that the
    /// value moves through.
    #[expect(clippy::manual_async_fn, reason = "the arguments of an `async fn` move, and are in it twice")]
    pub fn run(
        mut self: Box<Self>,
        mut actor: Pin<Box<impl Stream<Item = Result<Bytes, actix_web::Error>>>>,
    ) -> impl Future<Output = ()> {
        async move {
            let end = {
                let mut alarm = pin!(sleep_until(self.ping_at.into()));
                poll_fn(|cx| self.poll(cx, actor.as_mut(), alarm.as_mut())).await
            };
            if let End::Closed(code) = end {
                self.socket.set_closed_with(code.on_the_wire().0);
            }
            // The drop notifies the actor that it has ended.
            drop(actor);
            match end {
                End::Gone => return,
                End::Done => {}
                End::Closed(code) => {
                    if code == CloseCode::TooSlow {
                        self.outbox.drop_unstarted();
                    }
                    let (code, reason) = code.on_the_wire();
                    let reason = CloseReason { code: code.into(), description: Some(reason.into()) };
                    self.write_control(Message::Close(Some(reason)));
                }
            }
            Box::pin(finish(&self.io, self.outbox)).await;
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut actor: Pin<&mut impl Stream<Item = Result<Bytes, actix_web::Error>>>,
        mut alarm: Pin<&mut Sleep>,
    ) -> Poll<End> {
        for number in 0..MAX_POLLS {
            let progress = self.poll_once(cx, actor.as_mut(), number == 0);
            match progress {
                Err(end) => return Poll::Ready(end),
                Ok(Progress::Waits) => return self.watch(cx, alarm.as_mut()),
                Ok(Progress::HasMore) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads the input that the actor accepts, runs the actor, and writes its output.
    fn poll_once(
        &mut self,
        cx: &mut Context<'_>,
        mut actor: Pin<&mut impl Stream<Item = Result<Bytes, actix_web::Error>>>,
        is_woken: bool,
    ) -> Result<Progress, End> {
        let now = Instant::now();
        let could_read = self.may_read(now);
        if !(could_read && self.was_reading) {
            // While the connection does not read, the client is neither silent nor late.
            self.last_received_at = now;
            self.inbound.restart(now);
        }
        self.was_reading = could_read;
        let has_read = could_read && self.read(cx, now)?;
        self.check_clock(now)?;
        // Polling the actor is the most expensive step here. Without news it does nothing.
        let has_news = is_woken || has_read;
        let mut is_done = false;
        while has_news && !is_done {
            let polled = actor.as_mut().poll_next(cx);
            self.take_written(now);
            match polled {
                // The actor uses its context only for the close frame.
                Poll::Ready(Some(Ok(bytes))) => self.push(bytes, false, now),
                Poll::Ready(Some(Err(_))) => return Err(End::Gone),
                Poll::Ready(None) => is_done = true,
                Poll::Pending => break,
            }
        }
        self.write(cx, now)?;
        if is_done {
            return Err(End::Done);
        }
        if let Some(code) = self.fault
            && self.socket.wants_input()
        {
            return Err(End::Closed(code));
        }
        // The client is not to blame for frames that the actor holds back.
        if !self.socket.is_corked() && self.outbox.is_over(&self.settings.outbox, now) {
            return Err(End::Closed(CloseCode::TooSlow));
        }
        // The actor may just have become ready for more.
        let has_more = has_read || (!could_read && self.may_read(now));
        Ok(if has_more { Progress::HasMore } else { Progress::Waits })
    }

    fn may_read(&mut self, now: Instant) -> bool {
        !self.byte_rate.is_used_up(now) && self.fault.is_none() && self.socket.wants_input()
    }

    /// Reads once. Returns false if there is nothing to read.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        // The kernel does not announce these bytes again: the bytes that came with the handshake,
        // and those that exceeded the actor's share.
        if self.decode(now) {
            return Ok(true);
        }
        // `poll_read` sees a buffer that was not filled, so it knows that there is nothing more,
        // and does not ask the kernel again.
        let read = with_buffer(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            let read = Pin::new(&mut self.io).poll_read(cx, &mut buffer);
            self.inbound.push(buffer.filled());
            read.map_ok(|()| buffer.filled().len())
        });
        let count = match read {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(_)) => return Err(End::Gone),
            Poll::Ready(Ok(count)) => count,
        };
        match u32::try_from(count).ok().and_then(NonZeroU32::new) {
            None => self.socket.end(),
            Some(bytes) => {
                self.last_received_at = now;
                self.byte_rate.consume(bytes, now);
                self.decode(now);
            }
        }
        Ok(true)
    }

    /// Gives the actor the complete messages. Returns false if there are none.
    fn decode(&mut self, now: Instant) -> bool {
        for count in 0..MESSAGES {
            let message = match self.inbound.next(now) {
                Ok(Some(message)) => message,
                Ok(None) => return count > 0,
                Err(code) => {
                    self.fault = Some(code);
                    return true;
                }
            };
            let is_last = matches!(message, Message::Close(_));
            if let Message::Ping(payload) = &message {
                self.write_control(Message::Pong(payload.clone()));
            }
            self.socket.give(message);
            if is_last {
                self.socket.end();
                return true;
            }
        }
        true
    }

    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), End> {
        if self.socket.is_corked() {
            return Ok(());
        }
        let had_answers = self.outbox.has_answers();
        while !self.outbox.is_empty() {
            let io = &self.io;
            match self.outbox.write(now, |slices| io.try_write_vectored(slices)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self.io.poll_write_ready(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Err(End::Gone),
                    Poll::Pending => break,
                },
                Err(_) => return Err(End::Gone),
            }
        }
        self.socket.set_unsent(self.outbox.counted());
        if had_answers && !self.outbox.has_answers() {
            self.socket.resume();
        }
        Ok(())
    }

    /// Returns when the client will have been silent for too long. The client can prevent that by
    /// sending something or taking some of the waiting bytes.
    fn silent_at(&self) -> Instant {
        self.last_received_at.max(self.outbox.moved_at()) + self.settings.heartbeat_timeout
    }

    /// Does the work that depends only on the clock.
    fn check_clock(&mut self, now: Instant) -> Result<(), End> {
        if self.inbound.deadline().is_some_and(|deadline| deadline <= now) {
            return Err(End::Closed(CloseCode::TooBig));
        }
        if self.silent_at() <= now {
            return Err(End::Closed(CloseCode::HeartbeatMissed));
        }
        if self.ping_at <= now {
            self.ping_at = now + self.settings.heartbeat_interval;
            // A client with unread bytes does not get a ping as well.
            if self.outbox.is_empty() {
                self.write_control(Message::Ping(Bytes::new()));
            }
        }
        Ok(())
    }

    /// Sets the timer for the next deadline.
    fn watch(&mut self, cx: &mut Context<'_>, mut alarm: Pin<&mut Sleep>) -> Poll<End> {
        let late = self.outbox.deadline(self.settings.outbox.max_age).filter(|_| !self.socket.is_corked());
        let dues = [Some(self.silent_at()), late, self.inbound.deadline(), self.byte_rate.refills_at()];
        let next = dues.into_iter().flatten().fold(self.ping_at, Instant::min);
        // A timer that fires too early is set again then.
        if alarm.deadline().into_std() > next || alarm.is_elapsed() {
            alarm.as_mut().reset(next.into());
        }
        ready!(alarm.poll(cx));
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn take_written(&mut self, now: Instant) {
        let bytes = self.socket.take_written();
        if !bytes.is_empty() {
            self.push(bytes, self.socket.take_answer_mark(), now);
        }
    }

    fn push(&mut self, bytes: Bytes, is_answer: bool, now: Instant) {
        self.outbox.push(bytes, is_answer, self.settings.outbox.max_age, now);
    }

    fn write_control(&mut self, message: Message) {
        let mut bytes = BytesMut::new();
        // This fails only for continuation frames, which are not used here.
        if Codec::new().encode(message, &mut bytes).is_ok() {
            self.push(bytes.freeze(), false, Instant::now());
        }
    }
}

/// Whether there was something to read.
enum Progress {
    HasMore,
    Waits,
}
