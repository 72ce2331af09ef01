//! Messages: sending, changing, reading and finding them.

pub mod clearing;
pub mod deletions;
pub mod edits;
pub mod history;
pub mod many_conversations;
pub mod reactions;
pub mod replies;
pub mod retries;
pub mod search;
pub mod search_corpus;
pub mod sending;
pub mod texts;
