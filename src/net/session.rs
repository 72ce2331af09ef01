//! One socket: an actor that turns text frames into operations, one at a
//! time and in order, and writes what the hub delivers.
//!
//! It owns reassembly, the rate of frames and the heartbeat. It decides
//! nothing about messages, and detaches from the hub in one place, `stopped`.

use super::Net;
use crate::auth::Caller;
use crate::clock::random_session_id;
use crate::error::{Error, Result};
use crate::hub::{Attachment, ToSession};
use crate::ids::SessionId;
use crate::limits::Rate;
use crate::ops::{Entry, FrameOp, OpenSession, Opening, Reply};
use crate::wire::{self, CloseCode, Frame, Head, PROTOCOL, Pong, Welcome};
use actix::prelude::*;
use actix_http::ws::Item;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws::{self, Message, ProtocolError, WebsocketContext, WsResponseBuilder};
use bytes::BytesMut;
use bytestring::ByteString;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, RateLimiter};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Batches of the hub that may wait for this session; it takes one in
/// microseconds unless its peer stopped reading.
const MAILBOX: usize = 64;
/// Fragments of one message, and the time from the first to the last.
const MAX_FRAGMENTS: usize = 64;
const MAX_MESSAGE_TIME: Duration = Duration::from_secs(10);
/// Bytes of frames that may wait while an operation runs, in frames of the
/// largest size.
const MAX_INBOX_FRAMES: usize = 4;

/// What holds for every socket.
#[derive(Clone, Debug)]
pub struct SocketSettings {
    /// Of a message after reassembly, and of an HTTP body.
    pub max_frame_bytes: usize,
    /// Of frames of any kind.
    pub frames: Rate,
    pub heartbeat_interval: Duration,
    pub heartbeat_timeout: Duration,
}

pub struct Session {
    net: Arc<Net>,
    id: SessionId,
    caller: Caller,
    opened_at: Instant,
    heard_at: Instant,
    frames: DefaultDirectRateLimiter,
    /// Frames refused since the last that passed.
    refused: u32,
    fragments: Option<Fragments>,
    /// Frames that wait for the operation in flight.
    inbox: VecDeque<ByteString>,
    inbox_bytes: usize,
    is_busy: bool,
    closed_with: Option<u16>,
}

/// A text message that has not arrived as a whole.
struct Fragments {
    bytes: BytesMut,
    count: usize,
    began_at: Instant,
}

type Ctx = WebsocketContext<Session>;

/// Whether a request asks for a WebSocket of RFC 6455; the transport alone
/// would accept the drafts before it.
pub fn is_handshake(request: &HttpRequest) -> bool {
    let mut versions = request.headers().get_all(header::SEC_WEBSOCKET_VERSION);
    let is_final = versions.next().is_some_and(|version| version == "13") && versions.next().is_none();
    is_final && ws::handshake(request).is_ok()
}

impl Session {
    /// Answers the handshake; the session lives as long as its socket.
    pub fn start(
        net: Arc<Net>,
        caller: Caller,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<HttpResponse, actix_web::Error> {
        let max_frame_bytes = net.socket.max_frame_bytes;
        let id = random_session_id();
        let session = Self::new(net, id, Caller { session_id: Some(id), ..caller });
        WsResponseBuilder::new(session, request, payload).frame_size(max_frame_bytes).start()
    }

    fn new(net: Arc<Net>, id: SessionId, caller: Caller) -> Self {
        let now = Instant::now();
        Self {
            frames: RateLimiter::direct(net.socket.frames.quota()),
            net,
            id,
            caller,
            opened_at: now,
            heard_at: now,
            refused: 0,
            fragments: None,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            is_busy: false,
            closed_with: None,
        }
    }

    /// Attaches first and reads then: what is committed in between arrives
    /// as a frame after the welcome.
    async fn open(net: Arc<Net>, caller: Caller, attachment: Attachment) -> Result<Opening> {
        net.hub.attach(attachment).await?;
        net.door.call(caller, OpenSession).await
    }

    fn welcome(&mut self, opening: Opening, ctx: &mut Ctx) {
        let body = Welcome {
            event: "welcome",
            message: "connected",
            protocol: PROTOCOL,
            user_id: self.caller.user_id,
            session_id: self.id,
            epoch: &self.net.epoch,
            me: opening.me,
            heartbeat_ms: self.net.socket.heartbeat_interval.as_millis(),
        };
        ctx.text(wire::encode("system", self.net.clock.now(), &body));
        let (hub, id) = (self.net.hub.clone(), self.id);
        // Fails only when the hub has ended, and the process with it.
        let state = async move { hub.send_presence_state(id, opening.visible).await.map_or((), drop) };
        ctx.spawn(state.into_actor(self));
    }

    fn refuse_opening(&mut self, error: &Error, ctx: &mut Ctx) {
        let code = match error {
            Error::Unauthenticated(_) => CloseCode::LoginEnded,
            _ => CloseCode::Restart,
        };
        ctx.text(wire::error(None, self.net.clock.now(), error));
        self.close(code, ctx);
    }

    fn close(&mut self, code: CloseCode, ctx: &mut Ctx) {
        if self.closed_with.is_none() {
            let (number, reason) = code.on_the_wire();
            self.closed_with = Some(number);
            ctx.close(Some(ws::CloseReason { code: number.into(), description: Some(reason.into()) }));
        }
        ctx.stop();
    }

    /// The connection is gone: for the log alone, as RFC 6455 has it.
    fn lose(&mut self, ctx: &mut Ctx) {
        const ABNORMAL: u16 = 1006;
        self.closed_with = Some(ABNORMAL);
        ctx.stop();
    }

    fn heartbeat(&mut self, ctx: &mut Ctx) {
        if self.heard_at.elapsed() > self.net.socket.heartbeat_timeout {
            self.close(CloseCode::HeartbeatMissed, ctx);
        } else {
            ctx.ping(b"");
        }
    }

    /// Counts a frame of any kind. False: over the rate, and told so.
    fn is_within_rate(&mut self, ctx: &mut Ctx) -> bool {
        let clock = DefaultClock::default();
        let Err(wait) = self.frames.check() else {
            self.refused = 0;
            return true;
        };
        self.refused += 1;
        if self.refused > self.net.socket.frames.burst.get() {
            self.close(CloseCode::Flooding, ctx);
        } else {
            let error = Error::RateLimited { retry_in: wait.wait_time_from(clock.now()) };
            ctx.text(wire::error(None, self.net.clock.now(), &error));
        }
        false
    }

    fn reassemble(&mut self, item: Item, ctx: &mut Ctx) {
        let (bytes, is_first, is_last) = match item {
            Item::FirstText(bytes) => (bytes, true, false),
            Item::FirstBinary(_) => return self.close(CloseCode::Unsupported, ctx),
            Item::Continue(bytes) => (bytes, false, false),
            Item::Last(bytes) => (bytes, false, true),
        };
        if is_first == self.fragments.is_some() {
            return self.close(CloseCode::Protocol, ctx);
        }
        let mut whole = self.fragments.take().unwrap_or_else(|| Fragments {
            bytes: BytesMut::new(),
            count: 0,
            began_at: Instant::now(),
        });
        whole.count += 1;
        let is_over = whole.bytes.len() + bytes.len() > self.net.socket.max_frame_bytes
            || whole.count > MAX_FRAGMENTS
            || whole.began_at.elapsed() > MAX_MESSAGE_TIME;
        if is_over {
            return self.close(CloseCode::TooBig, ctx);
        }
        whole.bytes.extend_from_slice(&bytes);
        if !is_last {
            self.fragments = Some(whole);
            return;
        }
        match ByteString::try_from(whole.bytes) {
            Ok(text) => self.take(text, ctx),
            Err(_) => self.close(CloseCode::InvalidText, ctx),
        }
    }

    /// Queues a whole text frame behind the one in flight.
    fn take(&mut self, text: ByteString, ctx: &mut Ctx) {
        if self.inbox_bytes + text.len() > MAX_INBOX_FRAMES * self.net.socket.max_frame_bytes {
            let error = Error::RateLimited { retry_in: Duration::from_millis(100) };
            let head = Head::parse(&text).ok();
            let reference = head.as_ref().and_then(|head| head.r#ref.as_deref());
            return ctx.text(wire::error(reference, self.net.clock.now(), &error));
        }
        self.inbox_bytes += text.len();
        self.inbox.push_back(text);
        self.work(ctx);
    }

    /// Handles waiting frames until one of them takes time.
    fn work(&mut self, ctx: &mut Ctx) {
        while !self.is_busy {
            let Some(text) = self.inbox.pop_front() else { break };
            self.inbox_bytes -= text.len();
            self.handle_frame(&text, ctx);
        }
    }

    fn handle_frame(&mut self, text: &str, ctx: &mut Ctx) {
        let head = match Head::parse(text) {
            Ok(head) => head,
            Err(error) => return ctx.text(wire::error(None, self.net.clock.now(), &error)),
        };
        let reference = head.r#ref.as_deref();
        if head.kind == "ping" {
            return ctx.text(wire::encode("pong", self.net.clock.now(), &Pong { r#ref: reference }));
        }
        let unknown = || Error::Invalid("type is not one that this hub knows".into());
        match Entry::find(&head.kind).ok_or_else(unknown).and_then(|entry| entry.parse(text, reference.is_some())) {
            Ok(op) => self.begin(op, reference.map(str::to_owned), ctx),
            Err(error) => ctx.text(wire::error(reference, self.net.clock.now(), &error)),
        }
    }

    fn begin(&mut self, op: FrameOp, reference: Option<String>, ctx: &mut Ctx) {
        self.is_busy = true;
        let (door, caller) = (self.net.door.clone(), self.caller);
        let call = async move { door.call(caller, op).await };
        ctx.spawn(call.into_actor(self).map(move |outcome, session, ctx| {
            session.is_busy = false;
            if let Some(frame) = session.answer(reference.as_deref(), outcome) {
                ctx.text(frame);
            }
            session.work(ctx);
        }));
    }

    /// Without a `ref` only errors are answered.
    fn answer(&self, reference: Option<&str>, outcome: Result<Reply>) -> Option<Frame> {
        let now = self.net.clock.now();
        match (outcome, reference) {
            (Ok(reply), Some(reference)) => Some(wire::ack(reference, now, &reply)),
            (Ok(_), None) => None,
            (Err(error), reference) => Some(wire::error(reference, now, &error)),
        }
    }
}

impl Actor for Session {
    type Context = Ctx;

    fn started(&mut self, ctx: &mut Ctx) {
        log::info!("socket opened session={} user={}", self.id, self.caller.user_id);
        ctx.set_mailbox_capacity(MAILBOX);
        let attachment = Attachment {
            session_id: self.id,
            user_id: self.caller.user_id,
            login_id: self.caller.login_id,
            to_session: ctx.address().recipient(),
        };
        let opening = Self::open(Arc::clone(&self.net), self.caller, attachment);
        // Until then nothing is read and nothing delivered is written, so the
        // welcome is the first frame.
        ctx.wait(opening.into_actor(self).map(|opening, session, ctx| match opening {
            Ok(opening) => session.welcome(opening, ctx),
            Err(error) => session.refuse_opening(&error, ctx),
        }));
        ctx.run_interval(self.net.socket.heartbeat_interval, Self::heartbeat);
    }

    fn stopped(&mut self, _: &mut Ctx) {
        self.net.hub.detach(self.id);
        let seconds = self.opened_at.elapsed().as_secs();
        let (session, user, code) = (self.id, self.caller.user_id, self.closed_with);
        match code {
            Some(code) => log::info!("socket closed session={session} user={user} seconds={seconds} code={code}"),
            None => log::info!("socket closed session={session} user={user} seconds={seconds} code=none"),
        }
    }
}

impl Handler<ToSession> for Session {
    type Result = ();

    fn handle(&mut self, what: ToSession, ctx: &mut Ctx) {
        match what {
            ToSession::Frames(frames) => frames.into_iter().for_each(|frame| ctx.text(frame)),
            ToSession::Close(code) => self.close(code, ctx),
        }
    }
}

impl StreamHandler<Result<Message, ProtocolError>> for Session {
    fn handle(&mut self, message: Result<Message, ProtocolError>, ctx: &mut Ctx) {
        if self.closed_with.is_some() {
            return;
        }
        self.heard_at = Instant::now();
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                return match code_for(&error) {
                    Some(code) => self.close(code, ctx),
                    None => self.lose(ctx),
                };
            }
        };
        if let Message::Close(reason) = message {
            let reason = reason.map(|reason| ws::CloseReason { code: reason.code, description: None });
            self.closed_with = Some(reason.as_ref().map_or(1005, |reason| reason.code.into()));
            ctx.close(reason);
            return ctx.stop();
        }
        if !self.is_within_rate(ctx) {
            return;
        }
        match message {
            Message::Text(text) => self.take(text, ctx),
            Message::Continuation(item) => self.reassemble(item, ctx),
            Message::Ping(payload) => ctx.pong(&payload),
            Message::Binary(_) => self.close(CloseCode::Unsupported, ctx),
            Message::Pong(_) | Message::Nop | Message::Close(_) => {}
        }
    }

    fn finished(&mut self, ctx: &mut Ctx) {
        ctx.stop();
    }
}

/// None when the connection broke, and nobody is left to read a code.
fn code_for(error: &ProtocolError) -> Option<CloseCode> {
    match error {
        ProtocolError::Overflow => Some(CloseCode::TooBig),
        // The transport reports text that is not UTF-8 and a connection that
        // broke as the same kind of error; only the words differ.
        ProtocolError::Io(error) if error.kind() == std::io::ErrorKind::Other => {
            error.to_string().contains("utf-8").then_some(CloseCode::InvalidText)
        }
        _ => Some(CloseCode::Protocol),
    }
}
