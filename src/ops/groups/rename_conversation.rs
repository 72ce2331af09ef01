//! `PATCH /api/conversations/{conversation_id}`: changes the title of a group.

use super::group::{get_group, tell_members};
use crate::auth::Caller;
use crate::error::Result;
use crate::ids::ConversationId;
use crate::ops::op::{Access, ConversationReply, Cx, Op, Outcome};
use crate::ops::views;
use crate::policy::may_manage;
use crate::store::Locks;
use crate::store::messaging::{members, positions};
use crate::wire::Title;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct RenameConversation {
    pub conversation_id: ConversationId,
    pub title: Title,
}

impl Op for RenameConversation {
    type Output = ConversationReply;
    const NAME: &'static str = "rename_conversation";
    const ACCESS: Access = Access::Write;

    fn locks(&self, _: &Caller) -> Locks {
        Locks::conversation(self.conversation_id)
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<ConversationReply>> {
        let (me, id) = (caller.user_id, self.conversation_id);
        let group = get_group(caller, id, cx)?;
        may_manage(group.role)?;
        let mut effects = Vec::new();
        if group.conversation.title.as_deref() != Some(self.title.as_str()) {
            let rev = positions::next_rev(cx.db, id)?;
            members::set_title(cx.db, id, self.title.as_str())?;
            effects = tell_members(id, rev, &[], None, cx)?;
        }
        let conversation = views::own_conversation(cx.db, me, id)?;
        Ok(Outcome { output: ConversationReply { conversation }, effects })
    }
}
