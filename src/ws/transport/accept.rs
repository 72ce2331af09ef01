//! Answers a handshake and starts the actor of the socket.

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

/// The start of the socket, which runs once the answer to the handshake is on its way. The server
/// finds it in the response.
pub(super) struct Start(pub Box<dyn FnOnce(TcpStream, Opening)>);

/// The first bytes of a socket.
pub(super) struct Opening {
    /// The answer to the handshake.
    pub head: Bytes,
    /// The bytes that the client sent directly after the handshake.
    pub early: Bytes,
}

/// Answers a handshake and starts the actor with its socket.
///
/// The actor gets whole messages. It also gets pings, pongs and message fragments as they come, so
/// that it can count them. When the client closes, the actor gets the close message last, and has
/// to answer it. When the client goes away without a close frame, the actor gets an error, and has
/// to stop. The actor must not stop when its stream is `finished`. One of its two streams is always
/// finished. The value in `held` is dropped when the socket is closed for good.
///
/// # Errors
/// The flaw of the request.
pub fn accept<A>(
    request: &HttpRequest,
    settings: Arc<TransportSettings>,
    held: impl Sized + 'static,
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
        let mut connection = Box::new(Connection::new(io, socket.clone(), settings, held));
        connection.write_first(head);
        connection.read_first(&early);
        // The context would decode bytes. It gets none, and receives messages instead.
        let written = WebsocketContext::with_factory(stream::empty(), move |ctx| {
            ctx.add_stream(socket.incoming());
            make_actor(socket)
        });
        rt::spawn(connection.run(Box::pin(written)));
    };
    response.extensions_mut().insert(Start(Box::new(start)));
    Ok(response)
}
