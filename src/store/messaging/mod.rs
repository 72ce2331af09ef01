//! Queries about conversations, messages and positions in them.

pub mod changes;
pub mod conversations;
pub mod members;
pub mod messages;
pub mod participants;
pub mod pending_receipts;
pub mod positions;
pub mod reactions;
pub mod receipt_marks;
pub mod search_index;
#[cfg(test)]
mod search_index_test;
pub(crate) mod statements;
pub mod unread;
