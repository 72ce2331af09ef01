//! `load_history`: returns a page of history over the socket, by user or conversation.

use super::list_messages::{ListMessages, MAX_PAGE, MessagePage, page_cost};
use crate::auth::Caller;
use crate::error::Result;
use crate::ids::{ConversationId, Position, Seq, UserId};
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::receipts::move_position;
use crate::schema::one_of;
use crate::store::Cost;
use crate::wire::Target;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = one_of(["recipient_id", "conversation_id"]))]
pub struct LoadHistory {
    pub recipient_id: Option<UserId>,
    pub conversation_id: Option<ConversationId>,
    pub before_seq: Option<Seq>,
    pub after_seq: Option<Position>,
    #[schemars(range(min = 1, max = MAX_PAGE))]
    pub limit: Option<i64>,
}

impl Op for LoadHistory {
    type Output = MessagePage;
    const NAME: &'static str = "load_history";
    const ACCESS: Access = Access::Read;

    fn cost(&self) -> Cost {
        page_cost(self.limit)
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<MessagePage>> {
        let conversation_id = match Target::named(self.recipient_id, self.conversation_id)? {
            // The page query checks that the caller is in it.
            Target::Conversation(id) => id,
            person => move_position::load_conversation(caller, person, cx)?.conversation.id,
        };
        let Self { before_seq, after_seq, limit, .. } = *self;
        ListMessages { conversation_id, before_seq, after_seq, limit }.run(caller, cx)
    }
}
