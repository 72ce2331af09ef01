//! `GET /api/messages/{message_id}`: returns one message.

use crate::auth::Caller;
use crate::error::Result;
use crate::ids::MessageId;
use crate::ops::messages::visible::get_visible_message;
use crate::ops::op::{Access, Cx, MessageReply, Op, Outcome};
use crate::ops::views;
use crate::wire::Encoded;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct GetMessage {
    pub message_id: MessageId,
}

impl Op for GetMessage {
    type Output = MessageReply;
    const NAME: &'static str = "get_message";
    const ACCESS: Access = Access::Read;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<MessageReply>> {
        let row = get_visible_message(caller, self.message_id, cx)?;
        Ok(Outcome::without_effects(MessageReply { message: Encoded::new(views::current(cx.db, row)?) }))
    }
}
