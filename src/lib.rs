//! Switchboard: a private-messaging hub.
//!
//! In reading order:
//!
//! - [`ids`], [`clock`], [`error`], [`config`]: numbers, time, what can go
//!   wrong, and what the operator decides;
//! - [`logging`]: lines to standard error that hold nobody up;
//! - [`schema`]: what the descriptions of several types have in common;
//! - `background`: threads that let all others go first;
//! - [`text`]: what text from people must be; pure;
//! - [`wire`]: frames in and out, and the events that a commit leads to;
//! - [`policy`], [`limits`]: who may do what, and how often; pure;
//! - [`search`]: text into terms, and what is looked for in it; pure;
//! - [`store`]: SQLite or Postgres, snapshots to read and a writer to write;
//! - [`ops`]: everything the hub can be asked to do, one file each;
//! - [`dispatcher`]: the one way in, which runs an operation for an asker;
//! - [`hub`]: who is connected here, and delivery to them;
//! - [`auth`]: passwords and tokens;
//! - [`http`]: HTTP: the calls, who makes them, and what holds for every request;
//! - [`ws`]: WebSocket: the handshake, the actor of each connection, its transport;
//! - `upkeep`: what a running hub does by itself;
//! - [`app`]: the parts, wired.
//!
//! `docs/ARCHITECTURE.md` tells how they work together.

pub mod app;
pub mod auth;
mod background;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod hub;
pub mod ids;
pub mod limits;
pub mod logging;
pub mod ops;
pub mod policy;
pub mod schema;
pub mod search;
pub mod store;
pub mod text;
mod upkeep;
pub mod wire;
pub mod ws;
