//! `message_read`: marks everything up to a message as read by the caller.

use super::move_position;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MessageId, Seq};
use crate::limits::Class;
use crate::ops::messages::visible::get_visible_message;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::store::messaging::positions::Kind;
use crate::wire::Target;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("oneOf" = [
    {"required": ["message_id"], "properties": {
        "message_id": {"type": "integer"}, "conversation_id": {"type": "null"}, "seq": {"type": "null"},
    }},
    {"required": ["conversation_id", "seq"], "properties": {
        "message_id": {"type": "null"}, "conversation_id": {"type": "integer"}, "seq": {"type": "integer"},
    }},
]))]
pub struct MarkRead {
    /// Send either this …
    pub message_id: Option<MessageId>,
    /// … or `conversation_id` and `seq`.
    pub conversation_id: Option<ConversationId>,
    pub seq: Option<Seq>,
}

impl Op for MarkRead {
    type Output = Done;
    const NAME: &'static str = "mark_read";
    const ACCESS: Access = Access::Write;
    const CLASS: Class = Class::Mark;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let (conversation_id, seq) = match (self.message_id, self.conversation_id, self.seq) {
            (Some(id), None, None) => {
                let message = get_visible_message(caller, id, cx)?;
                (message.conversation_id, message.seq)
            }
            (None, Some(conversation_id), Some(seq)) => (conversation_id, seq),
            (None, Some(_), None) => return Err(Error::Invalid("seq is missing".into())),
            (None, None, _) => return Err(Error::Invalid("message_id or conversation_id is missing".into())),
            (Some(_), _, _) => {
                return Err(Error::Invalid("send message_id or conversation_id, not both".into()));
            }
        };
        let loaded = move_position::load_conversation(caller, Target::Conversation(conversation_id), cx)?;
        let effects = move_position::move_to(caller, &loaded, Kind::Read, seq, cx)?;
        Ok(Outcome { output: Done {}, effects })
    }
}
