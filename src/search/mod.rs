//! Search: turns text into terms, and a query into conditions on terms. It is pure, and the same
//! for both databases.
//!
//! The index proposes matches and this module decides. An index stores the [`terms`] of each
//! message and finds the messages that have all terms of a [`Query`]. That result may contain too
//! many messages. The query is therefore matched against the text itself, and only those matches
//! count. Both databases thus give the same answers, and neither needs to know about phrases.

mod fold;
mod names;
mod query;
mod snippet;
mod tokens;

pub use names::{NameQuery, WordKind, name_words};
pub use query::{MAX_CHARS, Query, Term};
pub use snippet::{Snippet, snippet};
pub use tokens::terms;

/// Version of the terms. It must be raised when the same text gives other terms, for messages or
/// for names: the existing index is then discarded and rebuilt.
pub const VERSION: i64 = 2;
