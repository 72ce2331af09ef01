//! Shared by the operations that change a message: finds the message, and sends its new state to
//! every user who may see it.

use super::visible::get_visible_message;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MessageId, Rev, Seq, UserId};
use crate::ops::conversations::target::{check_relation, facts};
use crate::ops::op::Cx;
use crate::ops::views;
use crate::store::messaging::messages::{self, Message};
use crate::store::messaging::{conversations, participants};
use crate::wire::{self, Effect, Encoded, Frame, MessageChange, MessageView, Skip, Target};

/// Loads a message that the caller may see and that is not deleted.
///
/// # Errors
/// `Conflict` for a tombstone.
pub(crate) fn get_undeleted_message(caller: &Caller, id: MessageId, cx: &mut Cx) -> Result<Message> {
    let message = get_visible_message(caller, id, cx)?;
    match message.deleted_at {
        None => Ok(message),
        Some(_) => Err(Error::Conflict("the message was deleted")),
    }
}

/// Checks that the caller may still write in the conversation. Readers see a change as they see a
/// message, so a direct conversation requires the same permission.
pub(crate) fn check_may_write(me: UserId, id: ConversationId, cx: &mut Cx) -> Result<()> {
    // From here on no other node adds a block in this conversation.
    conversations::lock(cx.db, id)?;
    let facts = facts(me, Target::Conversation(id), cx)?;
    match facts.peer {
        Some(peer) => check_relation(me, peer, &facts.relation, cx),
        None => Ok(()),
    }
}

/// Returns the current message and the effects. Users who may see the message get the frame from
/// `encode`. Other participants only learn the new `rev`.
pub(crate) fn tell_change(
    id: MessageId,
    cx: &mut Cx,
    encode: impl FnOnce(&Encoded<MessageView>) -> Frame,
) -> Result<(Encoded<MessageView>, Vec<Effect>)> {
    let row = messages::find_message(cx.db, id)?;
    let row = row.ok_or_else(|| Error::bug("a message is never removed"))?;
    let (conversation_id, rev, seq) = (row.conversation_id, row.rev, row.seq);
    let message = Encoded::new(views::current(cx.db, row)?);
    let frame = encode(&message);
    Ok((message, tell(conversation_id, rev, (id, seq), frame, cx)?))
}

/// The change of a message, as the body of a frame.
pub(crate) fn change(message: &Encoded<MessageView>) -> MessageChange<'_> {
    MessageChange { conversation_id: message.conversation_id, rev: message.rev, message }
}

fn tell(
    conversation_id: ConversationId,
    rev: Rev,
    (id, seq): (MessageId, Seq),
    frame: Frame,
    cx: &mut Cx,
) -> Result<Vec<Effect>> {
    let visibility = participants::list_visibility(cx.db, conversation_id, id, seq)?;
    let (seeing, others): (Vec<_>, Vec<_>) = visibility.into_iter().partition(|(_, sees)| *sees);
    let ids = |people: Vec<(UserId, bool)>| people.into_iter().map(|(user_id, _)| user_id).collect::<Vec<_>>();
    let mut effects = vec![Effect::Frame { to: ids(seeing), frame, ends_typing: None }];
    if !others.is_empty() {
        let frame = wire::encode("skip", cx.now, &Skip { conversation_id, rev });
        effects.push(Effect::Frame { to: ids(others), frame, ends_typing: None });
    }
    Ok(effects)
}
