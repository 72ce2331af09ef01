//! `message_delivered`: marks everything up to a message as delivered to the caller's devices.

use super::move_position;
use crate::auth::Caller;
use crate::error::Result;
use crate::ids::{ConversationId, Seq};
use crate::limits::Class;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::store::messaging::positions::Kind;
use crate::wire::Target;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct MarkDelivered {
    pub conversation_id: ConversationId,
    pub seq: Seq,
}

impl Op for MarkDelivered {
    type Output = Done;
    const NAME: &'static str = "mark_delivered";
    const ACCESS: Access = Access::Write;
    const CLASS: Class = Class::Mark;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let loaded = move_position::load_conversation(caller, Target::Conversation(self.conversation_id), cx)?;
        let effects = move_position::move_to(caller, &loaded, Kind::Delivered, self.seq, cx)?;
        Ok(Outcome { output: Done {}, effects })
    }
}
