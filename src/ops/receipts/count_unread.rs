//! Counts the unread messages of a connected user from rows, for the hub. The hub keeps the counts,
//! and adjusts them with each later change.

use crate::error::Result;
use crate::ids::{ConversationId, UserId};
use crate::ops::op::{Access, Cx, Op, Outcome, System};
use crate::store::messaging::unread::{self, Unread};
use crate::store::{Cost, find_last_commit};

#[derive(Clone, Debug)]
pub struct CountUnread {
    pub user_id: UserId,
    /// The conversations to count; none for all conversations of the user.
    pub only: Option<Vec<ConversationId>>,
    /// The run of the hub that asks.
    pub run: i64,
}

/// The unread messages of a user at one moment.
#[derive(Clone, Debug)]
pub struct UnreadSnapshot {
    /// The number of the last transaction of the run whose changes are included.
    pub commit: i64,
    /// The conversations with unread messages.
    pub rows: Vec<Unread>,
}

impl Op<System> for CountUnread {
    type Output = UnreadSnapshot;
    const NAME: &'static str = "count_unread";
    const ACCESS: Access = Access::Read;
    const COST: Cost = Cost::Heavy;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<UnreadSnapshot>> {
        let commit = find_last_commit(cx.db, self.run)?.unwrap_or(0);
        let rows = unread::list_unread(cx.db, self.user_id, self.only.as_deref())?;
        Ok(Outcome::without_effects(UnreadSnapshot { commit, rows }))
    }
}
