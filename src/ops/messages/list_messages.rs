//! `GET /api/conversations/{conversation_id}/messages`: returns a page of history.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, Position, Seq};
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::page::page_size;
use crate::ops::views;
use crate::store::Cost;
use crate::store::messaging::conversations;
use crate::store::messaging::messages::{self, Window};
use crate::wire::MessageView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most messages on a page.
pub const MAX_PAGE: i64 = 200;
const DEFAULT_PAGE: i64 = 50;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct ListMessages {
    pub conversation_id: ConversationId,
    /// Return the newest messages before this `seq`. Without `before` and `after`, the newest of
    /// all.
    #[serde(default)]
    pub before_seq: Option<Seq>,
    /// Return the oldest messages after this `seq`. 0 starts at the first message.
    #[serde(default)]
    pub after_seq: Option<Position>,
    #[serde(default)]
    #[schemars(range(min = 1, max = MAX_PAGE))]
    pub limit: Option<i64>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct MessagePage {
    /// The messages, ascending by `seq`.
    pub messages: Vec<MessageView>,
    /// Whether there are more messages in the requested direction.
    pub has_more: bool,
}

/// The cost of a page. A long page takes some milliseconds to build.
pub(crate) fn page_cost(limit: Option<i64>) -> Cost {
    if limit.is_some_and(|limit| limit > DEFAULT_PAGE) { Cost::Heavy } else { Cost::Light }
}

impl Op for ListMessages {
    type Output = MessagePage;
    const NAME: &'static str = "list_messages";
    const ACCESS: Access = Access::Read;

    fn cost(&self) -> Cost {
        page_cost(self.limit)
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<MessagePage>> {
        let size = page_size(self.limit, DEFAULT_PAGE, MAX_PAGE)?;
        if self.before_seq.is_some() && self.after_seq.is_some() {
            return Err(Error::Invalid("send before_seq or after_seq, not both".into()));
        }
        let (conversation, own_state) = conversations::get_with_own_state(cx.db, caller.user_id, self.conversation_id)?;
        let first = own_state.first_visible();
        let window = Window {
            from: self.after_seq.map_or(first, |after| first.max(after.next())),
            to: self.before_seq.map_or(conversation.last_seq, |before| Seq::new(before.get() - 1)),
            // One message more than requested shows whether there are more.
            limit: size + 1,
            newest: self.after_seq.is_none(),
        };
        let mut rows = messages::list_messages(cx.db, caller.user_id, self.conversation_id, window)?;
        let has_more = rows.len() as i64 > size;
        if has_more {
            let extra = if window.newest { 0 } else { rows.len() - 1 };
            rows.remove(extra);
        }
        let messages = views::history(cx.db, rows)?;
        Ok(Outcome::without_effects(MessagePage { messages, has_more }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_more_than_fifty_messages_is_heavy() {
        for limit in [None, Some(1), Some(50)] {
            assert_eq!(page_cost(limit), Cost::Light, "{limit:?}");
        }
        for limit in [Some(51), Some(MAX_PAGE)] {
            assert_eq!(page_cost(limit), Cost::Heavy, "{limit:?}");
        }
    }
}
