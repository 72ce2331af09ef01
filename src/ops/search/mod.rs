//! Searching messages, and keeping the search index.

pub mod index_messages;
pub mod merge_index;
pub mod search_messages;
#[cfg(test)]
mod search_test;
