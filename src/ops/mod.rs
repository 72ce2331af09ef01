//! Operations: everything the hub can be asked to do, one file each.
//!
//! An operation is a plain synchronous function from facts to an [`op::Outcome`].
//! It loads the facts, asks `policy`, changes the store and names the events
//! and their audience, all inside one transaction that the dispatcher began. It
//! knows no sockets, no actors and no HTTP, and never waits.
//!
//! [`frames::FRAMES`] is the table of what a socket may ask for, one line each.

pub mod accounts;
pub mod check_writes;
pub mod conversations;
pub mod frames;
pub mod groups;
pub mod logins;
pub mod messages;
pub mod moderation;
pub mod op;
pub mod page;
pub mod people;
pub mod presence;
pub mod receipts;
pub mod search;
pub mod sync;
pub mod views;
