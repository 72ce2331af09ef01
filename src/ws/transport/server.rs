//! The HTTP server, built on actix with its hook for upgrades. A request for a WebSocket runs
//! through the same app as every other request. If the app accepts it, the socket leaves HTTP for
//! good, and its HTTP buffers are freed.

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

/// The settings of HTTP.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    pub workers: usize,
    /// The connections that speak HTTP at once, per worker. More connections wait to be accepted.
    pub max_connections: usize,
    /// The time limit for the headers of a request.
    pub request_timeout: Duration,
    /// The longest time between two requests of one connection.
    pub keep_alive: Duration,
    /// The time limit for requests in progress when the server stops.
    pub shutdown_timeout: Duration,
}

/// The connections that may wait to be accepted. When a hub restarts, all clients reconnect at
/// once. A client that finds no room retries a second later. The kernel limits this number by
/// `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// The kernel send buffer of a socket. The kernel doubles the value. A client that stops reading
/// occupies no more than this there. The kernel's own limit is megabytes.
const SEND_BUFFER: usize = 24 * 1024;
/// The time after which a peer that takes nothing counts as gone. For a socket, the limits of the
/// outbox act sooner. This timeout also covers the last bytes in the kernel, and HTTP answers that
/// a client does not read.
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
    // The backlog is set again, because the standard library sets it to 128.
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

/// Ends a connection before anything is read from it. HTTP sees the end of input and drops it.
fn refuse(io: &TcpStream) {
    if let Err(error) = SockRef::from(io).shutdown(Shutdown::Both) {
        log::debug!("a connection that was refused had ended: {error}");
    }
}

/// Frees the request, because an open socket does not need its memory.
fn drop_request<B: MessageBody + 'static>(response: ServiceResponse<B>) -> Response<BoxBody> {
    let (_, response) = response.into_parts();
    Response::from(response).map_into_boxed_body()
}

/// Sends the app's answer, and hands the socket over if the answer accepts the handshake.
async fn upgrade(answer: Result<Response<BoxBody>, actix_web::Error>, framed: Framed<HttpIo, h1::Codec>) {
    let mut response = answer.unwrap_or_else(|error| Response::from(error.error_response()).map_into_boxed_body());
    let parts = framed.into_parts();
    let io = parts.io.into_tcp();
    let mut codec = parts.codec;
    let mut head = BytesMut::new();
    let start = response.extensions_mut().remove();
    if let Some(Start(start)) = start {
        // This fails only for a value that is not a response.
        if codec.encode(h1::Message::Item((response.drop_body(), BodySize::None)), &mut head).is_ok() {
            prepare(&io);
            start(io, Opening { head: head.freeze(), early: parts.read_buf.freeze() });
        }
        return;
    }
    // After a refused upgrade the meaning of the next bytes is unknown.
    response.head_mut().set_connection_type(ConnectionType::Close);
    let (response, body) = response.into_parts();
    let body = body::to_bytes(body).await.unwrap_or_default();
    let is_written = codec
        .encode(h1::Message::Item((response, BodySize::Sized(body.len() as u64))), &mut head)
        .and_then(|()| if body.is_empty() { Ok(()) } else { codec.encode(h1::Message::Chunk(Some(body)), &mut head) })
        .and_then(|()| codec.encode(h1::Message::Chunk(None), &mut head));
    if is_written.is_ok() {
        let now = Instant::now();
        // `finish` has its own limits.
        let mut outbox = Outbox::new(now);
        outbox.push(head.freeze(), false, Duration::ZERO, now);
        finish(&io, outbox).await;
    }
}

/// Sets the TCP options of every accepted connection. An option that the kernel refuses stays at
/// its default, and the connection still works.
///
/// Without `TCP_NODELAY` the second of two small frames waits 40 ms for the peer's delayed
/// acknowledgement. The setting of the HTTP service applies to HTTP/2 only. HTTP waits for as long
/// as an answer is not taken, so the kernel has to end the wait.
fn set_options(io: &TcpStream) {
    let socket = SockRef::from(io);
    if let Err(error) = socket.set_tcp_nodelay(true) {
        log::debug!("TCP_NODELAY is not set on a connection: {error}");
    }
    if let Err(error) = socket.set_tcp_user_timeout(Some(USER_TIMEOUT)) {
        log::debug!("TCP_USER_TIMEOUT is not set on a connection: {error}");
    }
}

/// Limits the bytes that the kernel keeps for a socket. A limit that the kernel refuses stays
/// unchanged, and the socket still works.
fn prepare(io: &TcpStream) {
    if let Err(error) = SockRef::from(io).set_send_buffer_size(SEND_BUFFER) {
        log::debug!("a socket keeps the kernel's buffer: {error}");
    }
}
