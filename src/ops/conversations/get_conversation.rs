//! `GET /api/conversations/{id}`.

use crate::auth::Caller;
use crate::error::Result;
use crate::ids::ConversationId;
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::views;
use crate::store::Cost;
use crate::wire::OwnConversationView;

#[derive(Clone, Copy, Debug)]
pub struct GetConversation {
    pub conversation_id: ConversationId,
}

impl Op for GetConversation {
    type Output = OwnConversationView;
    const NAME: &'static str = "get_conversation";
    const ACCESS: Access = Access::Read;
    const COST: Cost = Cost::Heavy;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<OwnConversationView>> {
        views::own_conversation(cx.db, caller.user_id, self.conversation_id).map(Outcome::without_effects)
    }
}
