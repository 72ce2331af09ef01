//! The truth: SQLite or Postgres behind one set of plain functions.
//!
//! `conn` opens a connection of either kind and guarantees its settings;
//! `reads` lends connections for snapshots; `writer` is the one way to write.
//! `hub_lock` keeps a second hub away, `history` notices a restored backup.
//! Each noun has a file of queries (`users`, `logins`, `attempts`, `tickets`,
//! `conversations`, `messages`, `pending_receipts`, `people`, `presence`, `quotas`, `receipt_marks`, `reports`,
//! `search_index`, `user_words`) that take a `&mut Db` inside a transaction that
//! somebody else began. Nobody outside this folder names Diesel.

pub mod attempts;
pub mod changes;
mod checkpoints;
mod columns;
mod conn;
pub mod conversations;
mod cost;
mod epoch;
#[cfg(test)]
pub(crate) mod explain;
mod failure;
mod fair_turns;
mod history;
mod hub_lock;
mod id_list;
mod locks;
pub mod logins;
mod marker;
pub mod members;
pub mod messages;
mod migrations;
mod name_index;
pub mod name_search;
pub mod pairs;
pub mod participants;
pub mod pending_receipts;
pub mod people;
pub mod positions;
mod prepare;
pub mod presence;
#[cfg(test)]
mod presence_test;
mod probe;
pub mod quotas;
#[cfg(test)]
mod races_test;
pub mod reactions;
mod read_gates;
mod read_pool;
pub mod receipt_marks;
pub mod reports;
mod schema;
#[cfg(test)]
mod schema_test;
#[cfg(test)]
pub(crate) mod scratch;
pub mod search_index;
#[cfg(test)]
mod search_index_test;
mod statements;
pub mod tickets;
pub mod time_budget;
pub mod unread;
mod user_words;
pub mod users;
mod write_queue;
mod writer;

pub(crate) use conn::on;
pub use conn::{Db, Target};
pub use cost::Cost;
pub use epoch::begin_epoch;
pub use history::History;
pub use hub_lock::HubLock;
pub use locks::Locks;
pub use prepare::{is_prepared, note_write_check, prepare};
pub use probe::{Probe, probe};
pub use read_gates::ReadTerms;
pub use read_pool::ReadPool;
pub use write_queue::QueueBounds;
pub use writer::{Answer, Job, Publish, Terms, Writer, WriterSettings};
