//! HTTP by actix, with its hook for upgrades: a request that asks for a
//! WebSocket runs through the same app as every other; if the app accepts it,
//! the socket leaves HTTP for good, and with it go the buffers that HTTP has
//! for each connection.

use super::accept::{Opening, Start};
use super::http_connections::HttpConnections;
use super::http_io::{HttpIo, Pace, until_sent};
use super::outbox::Outbox;
use super::shutdown::finish;
use actix_codec::Framed;
use actix_http::body::{self, BodySize, BoxBody, MessageBody};
use actix_http::{ConnectionType, HttpService, Request, Response, h1};
use actix_server::Server;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_factory, fn_service,
    map_config,
};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::rt::net::TcpStream;
use bytes::BytesMut;
use socket2::SockRef;
use std::fmt;
use std::io;
use std::net::{Shutdown, TcpListener};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio_util::codec::Encoder;

/// What holds for HTTP.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    pub workers: usize,
    /// Connections that speak HTTP at once, for each worker; more wait to be
    /// accepted.
    pub max_connections: usize,
    /// Time for the headers of a request.
    pub request_timeout: Duration,
    /// Time between two requests of one connection.
    pub keep_alive: Duration,
    /// Time for requests in flight when the server stops.
    pub shutdown_timeout: Duration,
}

/// Connections that may wait to be accepted: when a hub restarts, everybody
/// comes back at once, and who finds no room tries again a second later. The
/// kernel bounds it by `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Of a socket, in the kernel, which doubles it: a peer that stops reading
/// holds no more than this there. The kernel's own bound is megabytes.
const SEND_BUFFER: usize = 24 * 1024;
/// A peer that takes nothing for so long is gone. Of a socket, the bounds of
/// the outbox cut it off sooner; this ends what they cannot see: the last bytes
/// in the kernel, and answers over HTTP that nobody reads.
const USER_TIMEOUT: Duration = Duration::from_secs(25);

/// Serves on the listener, with an app for each worker.
///
/// # Errors
/// The listener cannot be used.
pub fn serve<I, S, B>(
    listener: TcpListener,
    settings: ServerSettings,
    connections: HttpConnections,
    make_app: impl Fn() -> I + Clone + Send + 'static,
) -> io::Result<Server>
where
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Future: 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    // Once more: the standard library leaves room for 128.
    SockRef::from(&listener).listen(BACKLOG)?;
    let server = Server::build();
    let is_stopping = server.graceful_shutdown_signal();
    let http = move || {
        let is_stopping = is_stopping.clone();
        let (scarce, connections) = (connections.clone(), connections.clone());
        let app = || map_config(make_app(), |_: ()| AppConfig::default());
        let app_for_upgrades = Rc::new(app());
        let upgrade = fn_factory(move || {
            let app = app_for_upgrades.clone();
            async move {
                let app = Rc::new(app.new_service(()).await?);
                Ok::<_, S::InitError>(fn_service(move |(request, framed)| {
                    let app = app.clone();
                    async move {
                        let response = app.call(request).await.map(drop_request);
                        upgrade(response, framed).await;
                        Ok::<_, actix_web::Error>(())
                    }
                }))
            }
        });
        let http = HttpService::build()
            // Connections that wait for a next request end with the server.
            .graceful_shutdown_signal(move || {
                let is_stopping = is_stopping.clone();
                async move { is_stopping.notified().await }
            })
            .client_request_timeout(settings.request_timeout)
            .client_disconnect_timeout(Duration::ZERO)
            .keep_alive(settings.keep_alive)
            .on_connect_ext(move |io: &HttpIo, data| {
                data.insert(Rc::clone(io.pace()));
                let io = io.tcp();
                set_options(io);
                match io.peer_addr().ok().and_then(|peer| connections.admit(peer.ip())) {
                    Some(connection) => drop(data.insert(connection)),
                    None => refuse(io),
                }
            })
            .upgrade(upgrade)
            .h1(apply_fn_factory(app(), move |request: Request, app| {
                let under_way = request.conn_data::<Rc<Pace>>().map(|pace| Rc::clone(pace).begin(&request));
                let (answer, scarce) = (app.call(request), scarce.clone());
                async move {
                    let mut response = answer.await?.map_into_boxed_body();
                    if scarce.are_scarce() {
                        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
                    }
                    Ok(match under_way {
                        Some(under_way) => response.map_body(|_, body| until_sent(body, under_way)),
                        None => response,
                    })
                }
            }));
        fn_service(|io: TcpStream| async move {
            let peer = io.peer_addr().ok();
            Ok((HttpIo::new(io), peer))
        })
        .and_then(http)
    };
    let server = server
        .workers(settings.workers)
        .max_concurrent_connections(settings.max_connections)
        .shutdown_timeout(settings.shutdown_timeout.as_secs().max(1))
        .disable_signals()
        .listen("http", listener, http)?;
    Ok(server.run())
}

/// Ends a connection before anything is read from it. HTTP finds its end, and forgets it.
fn refuse(io: &TcpStream) {
    if let Err(error) = SockRef::from(io).shutdown(Shutdown::Both) {
        log::debug!("a connection that was refused had ended: {error}");
    }
}

/// The request is memory that an open socket does not need.
fn drop_request<B: MessageBody + 'static>(response: ServiceResponse<B>) -> Response<BoxBody> {
    let (_, response) = response.into_parts();
    Response::from(response).map_into_boxed_body()
}

/// Sends the app's answer, and hands the socket over if that is what it says.
async fn upgrade(answer: Result<Response<BoxBody>, actix_web::Error>, framed: Framed<HttpIo, h1::Codec>) {
    let mut response = answer.unwrap_or_else(|error| Response::from(error.error_response()).map_into_boxed_body());
    let parts = framed.into_parts();
    let io = parts.io.into_tcp();
    let mut codec = parts.codec;
    let mut head = BytesMut::new();
    let start = response.extensions_mut().remove();
    if let Some(Start(start)) = start {
        // Fails only for a response that is none.
        if codec.encode(h1::Message::Item((response.drop_body(), BodySize::None)), &mut head).is_ok() {
            prepare(&io);
            start(io, Opening { head: head.freeze(), early: parts.read_buf.freeze() });
        }
        return;
    }
    // After a request to upgrade nobody knows what the next bytes are.
    response.head_mut().set_connection_type(ConnectionType::Close);
    let (response, body) = response.into_parts();
    let body = body::to_bytes(body).await.unwrap_or_default();
    let is_written = codec
        .encode(h1::Message::Item((response, BodySize::Sized(body.len() as u64))), &mut head)
        .and_then(|()| if body.is_empty() { Ok(()) } else { codec.encode(h1::Message::Chunk(Some(body)), &mut head) })
        .and_then(|()| codec.encode(h1::Message::Chunk(None), &mut head));
    if is_written.is_ok() {
        let now = Instant::now();
        // `finish` has bounds of its own.
        let mut outbox = Outbox::new(now);
        outbox.push(head.freeze(), false, Duration::ZERO, now);
        finish(&io, outbox).await;
    }
}

/// Sets the TCP options of every accepted connection. What the kernel refuses stays at its
/// default, and the connection works all the same.
///
/// Without `TCP_NODELAY` the second of two small frames waits for the peer's delayed
/// acknowledgement, 40 ms; the setting of the HTTP service applies to HTTP/2 alone. HTTP waits
/// for as long as an answer is not taken, so the kernel must not.
fn set_options(io: &TcpStream) {
    let socket = SockRef::from(io);
    if let Err(error) = socket.set_tcp_nodelay(true) {
        log::debug!("TCP_NODELAY is not set on a connection: {error}");
    }
    if let Err(error) = socket.set_tcp_user_timeout(Some(USER_TIMEOUT)) {
        log::debug!("TCP_USER_TIMEOUT is not set on a connection: {error}");
    }
}

/// Bounds what the kernel keeps for a socket. What it refuses it keeps as it
/// was, and the socket works all the same.
fn prepare(io: &TcpStream) {
    if let Err(error) = SockRef::from(io).set_send_buffer_size(SEND_BUFFER) {
        log::debug!("a socket keeps the kernel's buffer: {error}");
    }
}
