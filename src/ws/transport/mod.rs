//! WebSocket over sockets of our own: HTTP is actix's until a handshake is
//! answered; from then on a small future owns the socket, and the actor of
//! the connection lives in it.
//!
//! `handshake` checks the request, [`accept()`] answers it, `server` sees to it
//! that the socket comes to the `pump`; `inbound` and `outbox` are its two
//! halves, `allowance` is how fast it reads, `ending` how it closes, and
//! [`Socket`] is what the actor holds of it. Nothing here knows what the
//! messages mean, so a server for conformance suites is made of the same parts.

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
