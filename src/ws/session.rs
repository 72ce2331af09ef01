//! One socket: an actor that turns text frames into operations, one at a time and in order, and
//! writes the frames that the hub delivers.
//!
//! The actor handles messages, not bytes. The transport owns the socket, its limits and its
//! heartbeat. The actor decides nothing about messages, and detaches from the hub in one place,
//! `stopped`.

use super::connection_limits::ConnectionPermit;
use super::ephemeral::EphemeralBuffer;
use super::opening::attach;
use super::state::Sockets;
use super::transport::Socket;
use crate::auth::Caller;
use crate::clock::random_session_id;
use crate::error::{Error, Result};
use crate::http::answers::Share;
use crate::http::audit::{self, Peer};
use crate::http::extract::identity::Credential;
use crate::http::problem::Refusal;
use crate::http::state::HttpState;
use crate::hub::{Attachment, Delivery, Ephemeral, ToSession};
use crate::ids::{SessionId, Timestamp, UserId};
use crate::metrics::Close;
use crate::ops::frames::{Entry, FrameOp, Reply};
use crate::ops::logins::open_session::EarlyOpening;
use crate::ops::op::{Access, AnyOp};
use crate::wire::{self, CloseCode, Frame, Head, PROTOCOL, Pong, Welcome};
use actix::prelude::*;
use actix_web_actors::ws::{self, Message, ProtocolError, WebsocketContext};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, RateLimiter};
use log::Level;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The batches of the hub that may wait for this session. A session handles one in microseconds.
const MAILBOX: usize = 64;
/// The deadline for a session to attach and to read its initial state. Nothing is written
/// meanwhile.
const OPENING: Duration = Duration::from_secs(10);
/// The client closed without a code (RFC 6455, 7.1.5).
const NO_CODE: u16 = 1005;
/// The client went away without a close frame (RFC 6455, 7.1.5).
const ABNORMAL: u16 = 1006;
/// The usual close codes: the client is done or went away, with or without a close frame, the hub
/// restarts, or the login ended.
const USUAL_CLOSES: [u16; 6] = [1000, 1001, NO_CODE, ABNORMAL, 1012, 4501];

/// The only frame that an unauthenticated client may send.
pub(crate) const AUTHENTICATE: &str = "authenticate";

pub struct Session {
    pub(crate) state: Arc<HttpState>,
    pub(crate) sockets: Arc<Sockets>,
    pub(crate) socket: Socket,
    peer: Peer,
    /// The permit, which is assigned to the user once the socket is authenticated.
    pub(crate) permit: Option<Rc<ConnectionPermit>>,
    pub(crate) id: SessionId,
    /// The credential of the client. `None` until the client is authenticated.
    pub(crate) credential: Option<Credential>,
    /// The state of the store when the handshake was authenticated, until the session attaches.
    opening: Option<Box<EarlyOpening>>,
    /// Ends the session unless the client authenticates, or renews its token.
    pub(crate) deadline: SpawnHandle,
    opened_at: Timestamp,
    frames: DefaultDirectRateLimiter,
    /// The number of frames refused since the last accepted one.
    refused: u32,
    /// Whether the audit log has the line for a frame from this unauthenticated client.
    is_told_of: bool,
    /// Boxed, because it is seldom present.
    waiting: Option<Box<EphemeralBuffer>>,
    closed_with: Option<u16>,
}

pub(crate) type Ctx = WebsocketContext<Session>;

impl Session {
    pub fn new(
        sockets: Arc<Sockets>,
        handshake: Option<(Credential, Option<EarlyOpening>)>,
        peer: Peer,
        permit: Option<Rc<ConnectionPermit>>,
        socket: Socket,
    ) -> Self {
        let state = Arc::clone(&sockets.http);
        let (credential, opening) = handshake.unzip();
        Self {
            frames: RateLimiter::direct(sockets.frames.quota()),
            waiting: None,
            opened_at: state.clock.now(),
            state,
            sockets,
            socket,
            peer,
            permit,
            id: random_session_id(),
            credential,
            opening: opening.flatten().map(Box::new),
            deadline: SpawnHandle::default(),
            refused: 0,
            is_told_of: false,
            closed_with: None,
        }
    }

    /// Makes the session this caller's. Until it is attached, the session reads nothing and writes
    /// no deliveries. So the first frames are those that `greet` writes. `greet` gets the number of
    /// the caller's last private change. All frames that are written until then go out together
    /// with them.
    pub(crate) fn attach(&mut self, caller: Caller, greet: impl FnOnce(&mut Self, i64) + 'static, ctx: &mut Ctx) {
        let Caller { user_id, login_id, .. } = caller;
        let attachment = Attachment { session_id: self.id, user_id, login_id, to_session: ctx.address().recipient() };
        let opening = timeout(OPENING, attach(Arc::clone(&self.state), caller, attachment, self.opening.take()));
        self.socket.cork();
        ctx.wait(opening.into_actor(self).map(|opening, session, ctx| {
            session.socket.uncork();
            match opening.unwrap_or(Err(Error::Unavailable("the hub is too busy"))) {
                Ok(private_rev) => greet(session, private_rev),
                Err(error) => session.refuse_opening(&error, ctx),
            }
        }));
    }

    pub(crate) fn welcome(&self, caller: Caller, private_rev: i64) {
        let body = Welcome {
            event: "welcome",
            message: "connected",
            protocol: PROTOCOL,
            user_id: caller.user_id,
            session_id: self.id,
            epoch: &self.state.epoch,
            me: private_rev,
            heartbeat_ms: self.sockets.transport.heartbeat_interval.as_millis(),
        };
        self.socket.text(wire::encode("system", self.state.clock.now(), &body));
    }

    fn refuse_opening(&mut self, error: &Error, ctx: &mut Ctx) {
        self.tell_refusal("open_session", error);
        self.socket.text(wire::error(None, self.state.clock.now(), error));
        self.turn_away(error, ctx);
    }

    /// Closes the socket of a client that may not connect.
    pub(crate) fn turn_away(&mut self, error: &Error, ctx: &mut Ctx) {
        let code = match error {
            Error::Unauthenticated(_) | Error::TokenRefused { .. } => CloseCode::LoginEnded,
            Error::Forbidden(_) => CloseCode::AccountDisabled,
            _ => CloseCode::Restart,
        };
        self.close(code, ctx);
    }

    pub(crate) fn close(&mut self, code: CloseCode, ctx: &mut Ctx) {
        if self.closed_with.is_none() {
            let (number, reason) = code.on_the_wire();
            self.closed_with = Some(number);
            ctx.close(Some(ws::CloseReason { code: number.into(), description: Some(reason.into()) }));
        }
        ctx.stop();
    }

    /// Counts a frame of any kind. Returns false, after sending an error, if the client exceeds the
    /// rate.
    fn is_within_rate(&mut self, ctx: &mut Ctx) -> bool {
        let clock = DefaultClock::default();
        let Err(wait) = self.frames.check() else {
            self.refused = 0;
            return true;
        };
        self.refused += 1;
        if self.refused > self.sockets.frames.burst.get() {
            self.close(CloseCode::Flooding, ctx);
        } else {
            let error =
                Error::RateLimited { limit: "FRAME_RATE frames a second", retry_in: wait.wait_time_from(clock.now()) };
            if self.refused == 1 {
                self.tell_refusal("any", &error);
            }
            self.socket.text(wire::error(None, self.state.clock.now(), &error));
        }
        false
    }

    fn handle_frame(&mut self, text: &str, ctx: &mut Ctx) {
        let head = match Head::parse(text) {
            Ok(head) => head,
            Err(error) => return self.socket.text(wire::error(None, self.state.clock.now(), &error)),
        };
        let reference = head.r#ref.as_deref();
        if head.kind == AUTHENTICATE {
            return self.authenticate(head.keys(), reference.map(str::to_owned), ctx);
        }
        let Some(Credential { caller, .. }) = self.credential else {
            let error = Error::Unauthenticated("authenticate first");
            if !std::mem::replace(&mut self.is_told_of, true) {
                self.tell_refusal("any", &error);
            }
            return self.socket.text(wire::error(reference, self.state.clock.now(), &error));
        };
        if head.kind == "ping" {
            return self.socket.text(wire::encode("pong", self.state.clock.now(), &Pong { r#ref: reference }));
        }
        let unknown = || Error::Invalid("type is unknown".into());
        match Entry::find(&head.kind).ok_or_else(unknown).and_then(|entry| entry.parse(&head)) {
            Ok(op) => self.begin(caller, op, reference.map(str::to_owned), ctx),
            Err(error) => self.socket.text(wire::error(reference, self.state.clock.now(), &error)),
        }
    }

    /// Runs an operation. The next frame waits until this one is answered and the client has taken
    /// the answer.
    fn begin(&mut self, caller: Caller, op: FrameOp, reference: Option<String>, ctx: &mut Ctx) {
        self.socket.pause();
        let (dispatcher, answers) = (self.state.dispatcher.clone(), self.state.answers.clone());
        let terms = op.terms();
        let call = async move {
            // The answer to a change is at most one message, so it is not counted.
            let share = match terms.access {
                Access::Read => Some(answers.reserve(caller.user_id).await?),
                Access::Write => None,
            };
            Ok((dispatcher.call(caller, op).await?, share))
        };
        ctx.spawn(call.into_actor(self).map(move |outcome: Result<_>, session, ctx| {
            let (outcome, share) = match outcome {
                Ok((reply, share)) => (Ok(reply), share),
                Err(error) => (Err(error), None),
            };
            if let Err(error) = &outcome
                && audit::is_refusal(error)
            {
                session.tell_refusal(terms.name, error);
            }
            match session.answer(reference.as_deref(), outcome) {
                Some(frame) => {
                    if let Some(share) = share {
                        session.count_answer(share, &frame, ctx);
                    }
                    session.socket.has_answered();
                    session.socket.text(frame);
                }
                None => session.socket.resume(),
            }
        }));
    }

    /// Counts the answer as waiting until the client has taken it. The session is closed when other
    /// answers need the room.
    #[expect(clippy::disallowed_methods, reason = "the last message to a session, so at most one in each mailbox")]
    fn count_answer(&self, mut share: Share, frame: &Frame, ctx: &Ctx) {
        let session = ctx.address();
        share.wait(frame.len(), move || session.do_send(ToSession::Close(CloseCode::TooSlow)));
        self.socket.keep_until_taken(share);
    }

    pub(crate) fn tell_refusal(&self, frame: &str, error: &Error) {
        let refusal = Refusal::of(error);
        let more = format_args!(" session={} frame={frame}", self.id);
        self.peer.refused(&self.state.audit, "refused", self.user_id(), Some(&refusal), more);
    }

    pub(crate) fn tell(&self, level: Level, what: &'static str, more: fmt::Arguments) {
        self.peer.socket(&self.state.audit, level, what, self.user_id(), more);
    }

    fn user_id(&self) -> Option<UserId> {
        self.credential.map(|credential| credential.caller.user_id)
    }

    /// Returns the answer to a frame. Without a `ref` only errors are answered.
    fn answer(&self, reference: Option<&str>, outcome: Result<Reply>) -> Option<Frame> {
        let now = self.state.clock.now();
        match (outcome, reference) {
            (Ok(reply), Some(reference)) => Some(wire::ack(reference, now, &reply)),
            (Ok(_), None) => None,
            (Err(error), reference) => Some(wire::error(reference, now, &error)),
        }
    }

    fn deliver(&mut self, delivery: Delivery, ctx: &mut Ctx) {
        match delivery {
            Delivery::Reliable(frame) => {
                // Frames that came before this one are written before it.
                self.flush();
                self.socket.text(frame);
            }
            Delivery::Ephemeral(what, frame) => self.pass(what, frame, ctx),
        }
    }

    /// Writes the frame immediately if the client keeps up. Otherwise merges it with others of its
    /// kind.
    fn pass(&mut self, what: Ephemeral, frame: Frame, ctx: &mut Ctx) {
        if self.socket.unsent() == 0 {
            return self.socket.text(frame);
        }
        let max_unsent = self.sockets.transport.outbox.max_bytes / 2;
        let waiting = self.waiting.get_or_insert_with(|| Box::new(EphemeralBuffer::new(max_unsent)));
        if waiting.put(what, frame, self.socket.unsent()) {
            ctx.spawn(self.socket.is_clear().into_actor(self).map(|(), session, _| session.flush()));
        }
    }

    fn flush(&mut self) {
        if let Some(waiting) = &mut self.waiting {
            waiting.take(self.socket.unsent()).for_each(|frame| self.socket.text(frame));
        }
    }
}

impl Actor for Session {
    type Context = Ctx;

    fn started(&mut self, ctx: &mut Ctx) {
        self.tell(Level::Info, "socket opened", format_args!(" session={}", self.id));
        self.sockets.metrics.connections.inc();
        ctx.set_mailbox_capacity(MAILBOX);
        match self.credential {
            Some(credential) => self.begin_with(credential, ctx),
            None => self.wait_for_token(ctx),
        }
    }

    fn stopped(&mut self, _: &mut Ctx) {
        self.state.hub.detach(self.id);
        let code = self.closed_with.or(self.socket.closed_with()).unwrap_or(ABNORMAL);
        let metrics = &self.sockets.metrics;
        metrics.connections.dec();
        metrics.closes.get_or_create(&Close { code: if CloseCode::is_known(code) { code } else { 0 } }).inc();
        let level = if USUAL_CLOSES.contains(&code) { Level::Info } else { Level::Warn };
        let more = format_args!(
            " session={} seconds={} code={code} dropped={}",
            self.id,
            (self.state.clock.now().as_millis() - self.opened_at.as_millis()) / 1000,
            self.waiting.as_ref().map_or(0, |waiting| waiting.dropped()),
        );
        self.tell(level, "socket closed", more);
    }
}

impl Handler<ToSession> for Session {
    type Result = ();

    fn handle(&mut self, what: ToSession, ctx: &mut Ctx) {
        match what {
            ToSession::Deliver(all) => all.into_iter().for_each(|delivery| self.deliver(delivery, ctx)),
            ToSession::Close(code) => self.close(code, ctx),
        }
    }
}

impl StreamHandler<Result<Message, ProtocolError>> for Session {
    fn handle(&mut self, message: Result<Message, ProtocolError>, ctx: &mut Ctx) {
        // The transport itself closes a socket that breaks the protocol. Its only error means that
        // the client is gone.
        let Ok(message) = message else { return ctx.stop() };
        if self.closed_with.is_some() {
            return;
        }
        if let Message::Close(reason) = message {
            let reason = reason.map(|reason| ws::CloseReason { code: reason.code, description: None });
            self.closed_with = Some(reason.as_ref().map_or(NO_CODE, |reason| reason.code.into()));
            ctx.close(reason);
            return ctx.stop();
        }
        if self.is_within_rate(ctx)
            && let Message::Text(text) = message
        {
            self.handle_frame(&text, ctx);
        }
    }

    fn finished(&mut self, _: &mut Ctx) {
        // Handles the byte stream, which the transport leaves empty.
    }
}
