//! The hub from outside: real servers, real sockets, several people, on both
//! databases. One file for each capability; `harness` is the vocabulary.
//!
//! Postgres is found in `TEST_POSTGRES_URL`, which `scripts/test` and
//! `scripts/with-servers` set.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test ends at the failing line")]

mod accounts;
mod groups;
mod harness;
mod http;
mod load;
mod messages;
mod moderation;
#[path = "../common/no_limits.rs"]
mod no_limits;
mod operation;
mod presence;
mod receipts;
mod rules;
mod sockets;
mod support;
mod sync;
