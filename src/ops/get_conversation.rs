//! `GET /api/conversations/{id}`.

use super::{Access, Cx, Op, Outcome, present};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::ConversationId;
use crate::store::conversations;
use crate::wire::OwnConversationView;

#[derive(Clone, Copy, Debug)]
pub struct GetConversation {
    pub conversation_id: ConversationId,
}

impl Op for GetConversation {
    type Output = OwnConversationView;

    fn name(&self) -> &'static str {
        "get_conversation"
    }

    fn access(&self) -> Access {
        Access::Read
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<OwnConversationView>> {
        let me = caller.user_id;
        let found = conversations::get_with_place(cx.db, me, self.conversation_id)?;
        let view = present::own_conversations(cx.db, me, vec![found])?.pop();
        view.map(Outcome::quiet).ok_or_else(|| Error::bug("one row in, one view out"))
    }
}
