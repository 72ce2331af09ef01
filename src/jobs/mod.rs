//! Background jobs: what a running hub does by itself, by the clock or because something was
//! written. One file for each; the [`driver`] runs and supervises them.

pub mod announce_presence;
pub mod announce_unread;
pub mod driver;
pub mod end_revoked;
pub mod erase_evidence;
pub mod index_messages;
pub mod last_seen;
pub mod prune_receipts;
pub mod publish_receipts;
mod session_owners;
pub mod settle_groups;
pub mod sweep;
pub mod touch_logins;
