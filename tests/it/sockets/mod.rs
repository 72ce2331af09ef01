//! The socket: handshake, frames, peers that misbehave.

pub mod bad_protocol;
pub mod broken_peers;
pub mod connection_limits;
pub mod connections;
pub mod handshakes;
pub mod late_commit;
pub mod raw_frames;
pub mod slow_clients;
pub mod slow_scale;
pub mod strict_frames;
pub mod tcp_options;
pub mod unread_answers;
