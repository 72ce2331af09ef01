//! `leave_conversation` and `DELETE /api/conversations/{conversation_id}/viewing`: the caller stops viewing the
//! conversation.

use super::join_conversation::find_own;
use crate::auth::Caller;
use crate::error::Result;
use crate::ids::{ConversationId, UserId};
use crate::limits::Class;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::schema::one_of;
use crate::wire::{Effect, Target, ViewingEvent};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = one_of(["recipient_id", "conversation_id"]))]
pub struct LeaveConversation {
    pub recipient_id: Option<UserId>,
    pub conversation_id: Option<ConversationId>,
}

impl Op for LeaveConversation {
    type Output = Done;
    const NAME: &'static str = "leave_conversation";
    // Runs in the writer, so that it comes after the viewing that it ends.
    const ACCESS: Access = Access::Write;
    const CLASS: Class = Class::Mark;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let target = Target::named(self.recipient_id, self.conversation_id)?;
        let (conversation_id, _) = find_own(caller.user_id, target, cx)?;
        let event = ViewingEvent {
            conversation_id,
            user_id: caller.user_id,
            is_viewing: false,
            // The hub sends it to the users who got the start.
            to: Vec::new(),
            session: caller.session_id,
        };
        Ok(Outcome { output: Done {}, effects: vec![Effect::Viewing(event)] })
    }
}
