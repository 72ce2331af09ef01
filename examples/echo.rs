//! Echo server: sends back every message it gets. It is the hub's WebSocket transport without the
//! hub, for conformance suites.
//!
//! `cargo run --release --example echo -- 127.0.0.1:9001`; port 0 picks a free port. It prints its
//! address once it listens, and runs until it is killed.

use actix::{Actor, ActorContext, StreamHandler};
use actix_web::{App, HttpRequest, HttpResponse, error, web};
use actix_web_actors::ws::{Message, ProtocolError, WebsocketContext};
use std::io::{Error, Result};
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use switchboard::limits::Rate;
use switchboard::ws::transport::{
    self, HttpConnections, HttpPlaces, OutboxSettings, ServerSettings, Socket, TransportSettings,
};

const SERVER: ServerSettings = ServerSettings {
    workers: 1,
    max_connections: 1000,
    request_timeout: Duration::from_secs(5),
    keep_alive: Duration::from_secs(5),
    shutdown_timeout: Duration::from_secs(1),
};
/// Maximum message size: suites send messages of up to 16 MiB, as fast as they can.
const MAX_MESSAGE: usize = 16 << 20;
const BYTES_PER_SECOND: NonZeroU32 = NonZeroU32::new(1 << 30).unwrap();

struct Echo(Socket);

impl Actor for Echo {
    type Context = WebsocketContext<Self>;
}

impl StreamHandler<std::result::Result<Message, ProtocolError>> for Echo {
    fn handle(&mut self, message: std::result::Result<Message, ProtocolError>, ctx: &mut Self::Context) {
        match message {
            Ok(Message::Text(text)) => self.0.text(text),
            Ok(Message::Binary(bytes)) => self.0.binary(bytes),
            Ok(Message::Close(reason)) => {
                ctx.close(reason);
                ctx.stop();
            }
            Ok(_) => {}
            Err(_) => ctx.stop(),
        }
    }

    fn finished(&mut self, _: &mut Self::Context) {
        // The transport leaves the byte stream empty.
    }
}

async fn upgrade(settings: web::Data<TransportSettings>, request: HttpRequest) -> actix_web::Result<HttpResponse> {
    transport::accept(&request, settings.into_inner(), (), Echo)
        .map_err(|flaw| error::ErrorBadRequest(format!("{flaw:?}")))
}

#[actix_web::main]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1).ok_or_else(|| Error::other("say where to listen: 127.0.0.1:9001"))?;
    let listener = TcpListener::bind(address)?;
    println!("echo listening on ws://{}", listener.local_addr()?);
    let settings = web::Data::from(Arc::new(TransportSettings {
        max_frame_bytes: MAX_MESSAGE,
        takes_binary: true,
        bytes: Rate { per_second: BYTES_PER_SECOND, burst: BYTES_PER_SECOND },
        heartbeat_interval: Duration::from_secs(15),
        heartbeat_timeout: Duration::from_secs(40),
        outbox: OutboxSettings { max_bytes: 4 * MAX_MESSAGE, max_age: Duration::from_secs(20) },
    }));
    let app = move || App::new().app_data(settings.clone()).default_service(web::get().to(upgrade));
    let places = HttpPlaces { in_all: SERVER.max_connections, per_address: SERVER.max_connections };
    let connections = HttpConnections::new(places, |_| None, |_| {});
    transport::serve(listener, SERVER, connections, app)?.await
}
