//! The database layer: SQLite or Postgres behind one set of plain functions.
//!
//! - [`connection`]: connections, read snapshots, and the checks that protect the database;
//! - [`writer`]: the only way to write;
//! - [`accounts`] and [`messaging`]: one file of queries for each noun. The queries take a `&mut
//!   Db` inside a transaction that the caller began.
//!
//! Only this folder names Diesel.

pub mod accounts;
pub mod connection;
pub mod messaging;
#[cfg(test)]
mod races_test;
mod schema;
#[cfg(test)]
mod schema_test;
#[cfg(test)]
pub(crate) mod scratch;
pub mod writer;

pub use connection::cost::Cost;
pub use connection::db::Db;
pub(crate) use connection::db::on;
pub use connection::epoch::begin_epoch;
pub use connection::history::{History, find_last_commit};
pub use connection::hub_lock::HubLock;
pub use connection::migrations::{check_version, is_prepared};
pub use connection::prepare::{note_write_check, prepare};
pub use connection::probe::{Probe, probe};
pub use connection::read_gates::ReadTerms;
pub use connection::read_pool::ReadPool;
pub use connection::target::Target;
pub use writer::group_commit::Writer;
pub use writer::job::{Answer, Publish, Terms, WriteJob, WriterSettings};
pub use writer::locks::Locks;
pub use writer::queue::QueueBounds;
