//! Switchboard: a private-messaging hub that runs beside a team's own web application.
//!
//! The map, from the ground up:
//!
//! - [`ids`], [`clock`], [`error`], [`config`]: numbers, time, what can go wrong, and the settings;
//! - [`logging`]: log lines that never hold the hub up; `background`: threads of low priority;
//! - [`phase`]: running, draining or stopped; [`metrics`]: what is counted and measured;
//! - [`text`], [`schema`]: what text from people must be, and what descriptions of types share;
//! - [`wire`]: frames in both directions, and the effects of a commit;
//! - [`policy`], [`limits`]: who may do what, and how often; pure;
//! - [`search`]: text into terms, and queries on them; pure;
//! - [`store`]: SQLite or Postgres, snapshots to read and a writer; the truth;
//! - [`ops`]: the operations, in a folder for each noun;
//! - [`dispatch`]: the single entry point, which runs an operation for a principal;
//! - [`hub`]: who is connected to this node, and delivery to them;
//! - [`auth`]: passwords and tokens;
//! - [`http`]: HTTP: the calls, who makes them, and what holds for every request;
//! - [`ws`]: WebSocket: the handshake, the actor of each connection, its transport;
//! - [`jobs`]: background jobs, and the driver that supervises them;
//! - [`app`]: the parts put together.
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
pub mod jobs;
pub mod limits;
pub mod logging;
pub mod metrics;
pub mod ops;
pub mod phase;
pub mod policy;
pub mod schema;
pub mod search;
pub mod store;
pub mod text;
pub mod wire;
pub mod ws;
