//! `GET /api/unread`: counts the messages that the caller has not read.

use crate::auth::Caller;
use crate::error::Result;
use crate::ids::ConversationId;
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::schema::by_id;
use crate::store::Cost;
use crate::store::messaging::unread::{self, Unread};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct GetUnread {}

/// Counts of messages of other users that the caller may see and has not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnreadCounts {
    pub total_unread: i64,
    /// Present and true if a conversation has 1,000 or more unread messages. The totals may then be
    /// too low.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_capped: bool,
    /// Unread messages by conversation. Only conversations with unread messages are listed.
    #[schemars(schema_with = "by_id::<i64>")]
    pub conversations: BTreeMap<ConversationId, i64>,
    /// Unread messages by platform.
    pub unread_counts: BTreeMap<String, i64>,
}

impl UnreadCounts {
    pub(crate) fn of(rows: Vec<Unread>) -> Self {
        let mut counts = Self::default();
        for row in rows {
            counts.is_capped |= row.is_capped();
            let Unread { conversation_id, platform, count } = row;
            counts.total_unread += count;
            counts.conversations.insert(conversation_id, count);
            *counts.unread_counts.entry(platform).or_default() += count;
        }
        counts
    }
}

impl Op for GetUnread {
    type Output = UnreadCounts;
    const NAME: &'static str = "get_unread";
    const ACCESS: Access = Access::Read;
    const COST: Cost = Cost::Heavy;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<UnreadCounts>> {
        let rows = unread::list_unread(cx.db, caller.user_id, None)?;
        Ok(Outcome::without_effects(UnreadCounts::of(rows)))
    }
}
