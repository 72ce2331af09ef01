//! Text into terms, and what people look for into what the terms must be:
//! pure, and the same whichever database keeps the index.
//!
//! The index proposes, this module decides. An index holds the [`terms`] of
//! each message and names those that have all terms of a [`Query`], which may be
//! too many; the query is then held against the text itself, and only what it
//! finds there counts. So both databases give the same answers, and neither
//! has to know about phrases.

mod fold;
mod names;
mod query;
mod snippet;
mod tokens;

pub use names::{NameQuery, WordKind, name_words};
pub use query::{MAX_CHARS, Query, Term};
pub use snippet::{Snippet, snippet};
pub use tokens::terms;

/// Raised when the same text comes out as other terms, of messages or of names:
/// what is indexed then counts for nothing, and is made anew.
pub const VERSION: i64 = 2;
