//! WebSocket over sockets of our own: HTTP is actix's until a handshake is
//! answered; from then on a small future owns the socket, and the actor of
//! the connection lives in it.
//!
//! `handshake` checks the request, [`accept`] answers it, `server` sees to it
//! that the socket comes to the `pump`; `inbound` and `outbox` are its two
//! halves, `allowance` is how fast it reads, `ending` how it closes, and
//! [`Socket`] is what the actor holds of it. Nothing here knows what the
//! messages mean, so a server for conformance suites is made of the same parts.

mod allowance;
mod buffer;
mod ending;
mod handshake;
mod http_connections;
mod http_io;
mod inbound;
mod outbox;
mod pump;
mod server;
mod socket;
mod turns;

pub use handshake::Flaw;
pub use http_connections::{HttpConnections, HttpPlaces};
#[cfg(feature = "fuzzing")]
pub(crate) use inbound::Inbound;
pub use outbox::OutboxSettings;
pub use server::{ServerSettings, serve};
pub use socket::Socket;

use crate::limits::Rate;
use actix::{Actor, AsyncContext, StreamHandler};
use actix_http::ws::{Message, ProtocolError, hash_key};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::rt::net::TcpStream;
use actix_web::{HttpRequest, HttpResponse, rt};
use actix_web_actors::ws::WebsocketContext;
use bytes::Bytes;
use futures_util::stream;
use pump::Pump;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// The burst of bytes that has to be allowed at least: what is read at once.
pub const LEAST_BURST: NonZeroU32 = NonZeroU32::new(buffer::READ_BYTES).unwrap();

/// What holds for every socket.
#[derive(Clone, Debug)]
pub struct TransportSettings {
    /// Of a message after reassembly.
    pub max_frame_bytes: usize,
    /// Else a binary frame closes the socket with 1003.
    pub takes_binary: bool,
    /// Bytes a second; who sends faster is read more slowly.
    pub bytes: Rate,
    /// Between two pings.
    pub heartbeat_interval: Duration,
    /// Silence after which the peer is dead.
    pub heartbeat_timeout: Duration,
    pub outbox: OutboxSettings,
}

/// What has to be done with the socket once the answer to the handshake is on
/// its way: stands in the response, for the server to find.
struct Start(Box<dyn FnOnce(TcpStream, Opening)>);

/// The bytes at the beginning of a socket.
struct Opening {
    /// The answer to the handshake.
    head: Bytes,
    /// What the peer sent right behind it.
    early: Bytes,
}

/// Answers a handshake. The actor starts with its socket; it gets whole
/// messages, and pings, pongs and parts of messages as they come, to count
/// them. When the peer closes, it gets that last, and has to answer it; when
/// the peer goes without a word, an error, and has to stop. It must not stop
/// when its stream is `finished`: of the two it has, one always is. What
/// is given to `hold` is dropped when the socket is closed for good.
///
/// # Errors
/// What is wrong with the request.
pub fn accept<A>(
    request: &HttpRequest,
    settings: Arc<TransportSettings>,
    hold: impl Sized + 'static,
    make_actor: impl FnOnce(Socket) -> A + 'static,
) -> Result<HttpResponse, Flaw>
where
    A: Actor<Context = WebsocketContext<A>> + StreamHandler<Result<Message, ProtocolError>>,
{
    let hash = hash_key(handshake::key(request)?);
    let hash = HeaderValue::from_bytes(&hash).map_err(|_| Flaw::Key)?;
    let mut response = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS);
    response.upgrade("websocket").insert_header((header::SEC_WEBSOCKET_ACCEPT, hash));
    let mut response = response.finish();
    let start = move |io, Opening { head, early }: Opening| {
        let socket = Socket::default();
        let mut pump = Box::new(Pump::new(io, socket.clone(), settings, hold));
        pump.write_first(head);
        pump.read_first(&early);
        // The context would decode bytes; it gets none, and messages instead.
        let written = WebsocketContext::with_factory(stream::empty(), move |ctx| {
            ctx.add_stream(socket.incoming());
            make_actor(socket)
        });
        rt::spawn(pump.run(Box::pin(written)));
    };
    response.extensions_mut().insert(Start(Box::new(start)));
    Ok(response)
}
