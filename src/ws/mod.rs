//! WebSocket: the handshake, the actor of each connection, and its transport.

pub mod auth;
pub mod connection_limits;
pub mod ephemeral;
pub mod opening;
pub mod session;
pub mod state;
pub mod transport;
pub mod upgrade;
