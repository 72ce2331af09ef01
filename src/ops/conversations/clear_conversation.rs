//! `DELETE /api/conversations/{conversation_id}`: clears it for the caller only. The other participants keep
//! everything. A later message brings the conversation back without the old messages.

use crate::auth::Caller;
use crate::error::Result;
use crate::ids::ConversationId;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::ops::views::tell_me;
use crate::store::messaging::{conversations, positions};
use crate::wire::{Effect, MeUpdate, OwnStateView, UnreadChange};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct ClearConversation {
    pub conversation_id: ConversationId,
}

impl Op for ClearConversation {
    type Output = Done;
    const NAME: &'static str = "clear_conversation";
    const ACCESS: Access = Access::Write;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let (me, id) = (caller.user_id, self.conversation_id);
        let (conversation, own_state) = conversations::get_with_own_state(cx.db, me, id)?;
        let seq = conversation.last_seq;
        if own_state.cleared_seq == seq {
            return Ok(Outcome::without_effects(Done {}));
        }
        let number = positions::set_cleared(cx.db, id, me, seq)?;
        let own = OwnStateView { id, cleared_seq: seq, visible_from_seq: own_state.visible_from_seq, read_seq: seq };
        let update = tell_me(me, &MeUpdate { me: number, conversations: &[own], ..MeUpdate::default() }, cx);
        let unread = Effect::Unread { conversation_id: id, users: vec![me], change: UnreadChange::Cleared };
        Ok(Outcome { output: Done {}, effects: vec![update, unread] })
    }
}
