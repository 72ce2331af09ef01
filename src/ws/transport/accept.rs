//! The answer to a handshake, and what begins with it.

use super::connection::Connection;
use super::handshake::{self, Flaw};
use super::settings::TransportSettings;
use super::socket::Socket;
use actix::{Actor, AsyncContext, StreamHandler};
use actix_http::ws::{Message, ProtocolError, hash_key};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::rt::net::TcpStream;
use actix_web::{HttpRequest, HttpResponse, rt};
use actix_web_actors::ws::WebsocketContext;
use bytes::Bytes;
use futures_util::stream;
use std::sync::Arc;

/// What has to be done with the socket once the answer to the handshake is on
/// its way: stands in the response, for the server to find.
pub(super) struct Start(pub Box<dyn FnOnce(TcpStream, Opening)>);

/// The bytes at the beginning of a socket.
pub(super) struct Opening {
    /// The answer to the handshake.
    pub head: Bytes,
    /// What the peer sent right behind it.
    pub early: Bytes,
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
        let mut pump = Box::new(Connection::new(io, socket.clone(), settings, hold));
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
