//! WebSockets over our own sockets. actix handles HTTP until a handshake is answered. From then on
//! a small future owns the socket, and the actor of the connection lives in it.
//!
//! `handshake` checks the request, and [`accept()`] answers it. `server` hands the socket to
//! `connection`, whose two halves are `inbound` and `outbox`. `byte_rate` limits how fast it reads,
//! and `shutdown` closes it. [`Socket`] is the actor's handle. The transport does not know the
//! meaning of the messages, so a server for conformance suites uses the same parts.

mod accept;
mod buffer;
mod byte_rate;
mod connection;
mod handshake;
mod http_connections;
mod http_io;
mod inbound;
mod outbox;
mod server;
mod settings;
mod shutdown;
mod socket;
mod turns;

pub use accept::accept;
pub use handshake::Flaw;
pub use http_connections::{HttpConnections, HttpPlaces};
#[cfg(feature = "fuzzing")]
pub(crate) use inbound::Inbound;
pub use outbox::OutboxSettings;
pub use server::{ServerSettings, serve};
pub use settings::{LEAST_BURST, TransportSettings};
pub use socket::Socket;
