//! The hub from outside: real servers, real sockets, several people, on both
//! databases. One file for each capability; `harness` is the vocabulary.
//!
//! Postgres is found in `TEST_POSTGRES_URL`, which `scripts/test` and
//! `scripts/with-servers` set.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that goes wrong ends where it does"
)]

mod accounts;
mod admin;
mod architecture;
mod attacked;
mod audit;
mod authenticate;
mod away;
mod bad_input;
mod bad_protocol;
mod behind_nginx;
mod binary;
mod bound_lists;
mod broken_peers;
mod circles;
mod clearing;
mod closing;
mod connection_limits;
mod cookies;
mod crash;
mod deletions;
mod descriptions;
mod devices;
mod edits;
mod every_call;
mod fair_reads;
mod foreign_tokens;
mod forged_tokens;
mod formatted_sql;
mod gathered_receipts;
mod groups;
mod guessing;
mod handshakes;
mod harness;
mod history;
mod hostile;
mod http_connections;
mod in_doubt;
mod late_commit;
mod log_flood;
mod log_lines;
mod many_conversations;
mod many_groups;
mod matrix;
mod messages;
mod mutated;
mod names;
mod one_hub;
mod origin_host;
mod parity;
mod passwords;
mod people;
mod permissions;
mod person;
mod positions;
mod presence;
mod profiles;
mod promises;
mod promoting;
mod query_counts;
mod random;
mod random_plan;
mod rates;
mod raw;
mod raw_sockets;
mod reactions;
mod readiness;
mod refresh_tokens;
mod removal;
mod replies;
mod reports;
mod restores;
mod retries;
mod revocation;
mod safe_defaults;
mod scratch;
mod search;
mod search_corpus;
mod slow_clients;
mod slow_scale;
mod sockets;
mod startup;
mod strict_frames;
mod strict_headers;
mod sync;
mod sync_bounds;
mod sync_limits;
mod tcp_options;
mod texts;
mod tickets;
mod typing;
mod unread;
mod unread_answers;
mod viewing;
mod web_page;
mod who_gets_in;
mod wrong_clock;
