//! `edit_message` and `PATCH /api/messages/{message_id}`: replaces the text of a message. The old text is
//! no longer visible to any user.

use super::change_message::{change, check_may_write, get_undeleted_message, tell_change};
use super::send_message::check_length;
use crate::auth::Caller;
use crate::error::Result;
use crate::ids::MessageId;
use crate::limits::Class;
use crate::ops::op::{Access, Cx, MessageReply, Op, Outcome};
use crate::ops::views;
use crate::policy::may_change;
use crate::store::messaging::{messages, positions, search_index};
use crate::wire::{self, Content, Encoded, NotKept, TextOnly};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(from = "EditMessageBody")]
pub struct EditMessage {
    pub message_id: MessageId,
    pub content: Content,
}

/// The keys that a client may send, and the keys that are refused.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "EditMessage")]
struct EditMessageBody {
    message_id: MessageId,
    content: Content,
    #[serde(default, rename = "message_type")]
    _message_type: TextOnly,
    #[serde(default, rename = "metadata")]
    _metadata: NotKept,
    #[serde(default, rename = "attachments")]
    _attachments: NotKept,
}

impl From<EditMessageBody> for EditMessage {
    fn from(EditMessageBody { message_id, content, .. }: EditMessageBody) -> Self {
        Self { message_id, content }
    }
}

impl Op for EditMessage {
    type Output = MessageReply;
    const NAME: &'static str = "edit_message";
    const ACCESS: Access = Access::Write;
    const CLASS: Class = Class::Message;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<MessageReply>> {
        check_length(&self.content, cx)?;
        let row = get_undeleted_message(caller, self.message_id, cx)?;
        may_change(caller.user_id, row.sender_id)?;
        check_may_write(caller.user_id, row.conversation_id, cx)?;
        if row.content == self.content.as_str() {
            return Ok(Outcome::without_effects(MessageReply { message: Encoded::new(views::current(cx.db, row)?) }));
        }
        let rev = positions::next_rev(cx.db, row.conversation_id)?;
        let first_hash = Sha256::digest(row.content.as_bytes());
        messages::set_content(cx.db, row.id, self.content.as_str(), &first_hash, rev, cx.now)?;
        search_index::reindex(cx.db, row.id)?;
        let now = cx.now;
        let encode = |message: &_| wire::encode("message_edited", now, &change(message));
        let (message, effects) = tell_change(row.id, cx, encode)?;
        Ok(Outcome { output: MessageReply { message }, effects })
    }
}
