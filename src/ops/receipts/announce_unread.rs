//! `unread_count_update`: sends the unread counts to a user's sessions, after that user's
//! conversations changed.

use super::get_unread::UnreadCounts;
use crate::error::Result;
use crate::ids::{ConversationId, UserId};
use crate::ops::op::{Access, Cx, Done, Op, Outcome, System};
use crate::store::Cost;
use crate::store::messaging::unread;
use crate::wire::{self, Effect, UnreadUpdate};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub struct AnnounceUnread {
    pub user_id: UserId,
    /// The conversations that changed since the last time, at least one.
    pub changed: Vec<ConversationId>,
}

impl Op<System> for AnnounceUnread {
    type Output = Done;
    const NAME: &'static str = "announce_unread";
    const ACCESS: Access = Access::Read;
    const COST: Cost = Cost::Heavy;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Done>> {
        let counts = UnreadCounts::of(unread::list_unread(cx.db, self.user_id, None)?);
        let count_of = |id: &ConversationId| counts.conversations.get(id).copied().unwrap_or(0);
        let Some(last) = self.changed.last() else { return Ok(Outcome::without_effects(Done {})) };
        let conversations: BTreeMap<ConversationId, i64> = self.changed.iter().map(|id| (*id, count_of(id))).collect();
        let update = UnreadUpdate {
            conversation_id: *last,
            unread_count: count_of(last),
            total_unread: counts.total_unread,
            is_capped: counts.is_capped,
            unread_counts: &counts.unread_counts,
            conversations: &conversations,
        };
        let frame = wire::encode("unread_count_update", cx.now, &update);
        Ok(Outcome {
            output: Done {},
            effects: vec![Effect::Frame { to: vec![self.user_id], frame, ends_typing: None }],
        })
    }
}
