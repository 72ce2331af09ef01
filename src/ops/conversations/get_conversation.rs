//! `GET /api/conversations/{conversation_id}`.

use crate::auth::Caller;
use crate::error::Result;
use crate::ids::ConversationId;
use crate::ops::op::{Access, ConversationReply, Cx, Op, Outcome};
use crate::ops::views;
use crate::store::Cost;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct GetConversation {
    pub conversation_id: ConversationId,
}

impl Op for GetConversation {
    type Output = ConversationReply;
    const NAME: &'static str = "get_conversation";
    const ACCESS: Access = Access::Read;
    const COST: Cost = Cost::Heavy;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<ConversationReply>> {
        let conversation = views::own_conversation(cx.db, caller.user_id, self.conversation_id)?;
        Ok(Outcome::without_effects(ConversationReply { conversation }))
    }
}
