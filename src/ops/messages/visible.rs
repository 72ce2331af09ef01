//! Messages that the caller may see.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::MessageId;
use crate::ops::op::Cx;
use crate::store::messaging::conversations;
use crate::store::messaging::messages::{self, Message};

/// Loads a message that the caller may see.
pub(crate) fn get_visible_message(caller: &Caller, id: MessageId, cx: &mut Cx) -> Result<Message> {
    const NO_SUCH_MESSAGE: Error = Error::NotFound("no such message");
    let message = messages::find_message(cx.db, id)?.ok_or(NO_SUCH_MESSAGE)?;
    let own_state =
        conversations::find_own_state(cx.db, message.conversation_id, caller.user_id)?.ok_or(NO_SUCH_MESSAGE)?;
    if message.seq < own_state.first_visible() || messages::is_hidden(cx.db, id, caller.user_id)? {
        return Err(NO_SUCH_MESSAGE);
    }
    Ok(message)
}
