//! What an operation locks before it runs.

use crate::error::Result;
use crate::ids::{ConversationId, UserId};
use crate::store::Db;
use crate::store::messaging::conversations;

/// What a transaction locks at its beginning, in one order for all operations: first the
/// conversations, by id, and then the pairs of people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locks {
    conversations: Vec<ConversationId>,
    pairs: Vec<(UserId, UserId)>,
}

impl Locks {
    /// This conversation, with its members and their roles.
    pub fn conversation(id: ConversationId) -> Self {
        Self { conversations: vec![id], ..Self::default() }
    }

    /// What is between two people: their relations, and messages of their direct conversation.
    pub fn pair(one: UserId, other: UserId) -> Self {
        Self { pairs: vec![(one.min(other), one.max(other))], ..Self::default() }
    }

    /// Takes them for this transaction; at once on SQLite, where nobody else writes.
    pub fn take(&self, db: &mut Db) -> Result<()> {
        for id in &self.conversations {
            conversations::lock(db, *id)?;
        }
        for (one, other) in &self.pairs {
            conversations::lock_between(db, *one, *other)?;
        }
        Ok(())
    }
}
