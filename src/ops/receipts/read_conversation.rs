//! `conversation_read`: marks a conversation as read by the caller.

use super::move_position;
use crate::auth::Caller;
use crate::error::Result;
use crate::ids::{ConversationId, UserId};
use crate::limits::Class;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::schema::one_of;
use crate::store::messaging::positions::Kind;
use crate::wire::Target;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = one_of(["recipient_id", "conversation_id"]))]
pub struct ReadConversation {
    pub recipient_id: Option<UserId>,
    pub conversation_id: Option<ConversationId>,
}

impl Op for ReadConversation {
    type Output = Done;
    const NAME: &'static str = "read_conversation";
    const ACCESS: Access = Access::Write;
    const CLASS: Class = Class::Mark;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let target = Target::named(self.recipient_id, self.conversation_id)?;
        let loaded = move_position::load_conversation(caller, target, cx)?;
        let last = loaded.conversation.last_seq;
        let effects = move_position::move_to(caller, &loaded, Kind::Read, last, cx)?;
        Ok(Outcome { output: Done {}, effects })
    }
}
