//! The locks that an operation takes before it runs.

use crate::error::Result;
use crate::ids::{ConversationId, UserId};
use crate::store::Db;
use crate::store::messaging::conversations;

/// The locks that a transaction takes at its beginning, in one order for all operations:
/// conversations first, and then pairs of users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locks {
    conversations: Vec<ConversationId>,
    pairs: Vec<(UserId, UserId)>,
}

impl Locks {
    /// Locks this conversation, with its members and their roles.
    pub fn conversation(id: ConversationId) -> Self {
        Self { conversations: vec![id], ..Self::default() }
    }

    /// Locks the state between two users: their relations, and messages of their direct
    /// conversation.
    pub fn pair(one: UserId, other: UserId) -> Self {
        Self { pairs: vec![(one.min(other), one.max(other))], ..Self::default() }
    }

    /// Takes the locks for this transaction. On SQLite this returns at once, because there is no
    /// other writer.
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
