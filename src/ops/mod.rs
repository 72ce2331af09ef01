//! Operations: everything that the hub can do for a caller, one file each.
//!
//! An operation is a plain synchronous function from facts to an [`op::Outcome`]. It loads the
//! facts, asks `policy`, changes the store and names the effects and their audience. All of this
//! happens inside one transaction that the dispatcher began. An operation knows no sockets, no
//! actors and no HTTP, and never waits.
//!
//! [`frames::FRAMES`] is the table of operations that a socket may request, one line each.

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
