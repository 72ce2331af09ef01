//! Finds the audience of ephemeral effects in a conversation: typing and viewing, which are not
//! stored.

use crate::error::Result;
use crate::ids::{ConversationId, UserId};
use crate::ops::op::Cx;
use crate::store::messaging::conversations::SendingFacts;
use crate::store::messaging::participants;
use crate::wire::Audience;

/// Lists the other participants. Leaves out users with a block in either direction, and users who
/// do not know yet that they are in the conversation.
pub(crate) fn list_ephemeral_audience(
    me: UserId,
    id: ConversationId,
    facts: &SendingFacts,
    cx: &mut Cx,
) -> Result<Audience> {
    if let Some(peer) = facts.peer {
        let is_hidden = facts.relation.i_block || facts.relation.blocks_me || !facts.is_known_to_both();
        return Ok(if is_hidden { Vec::new() } else { vec![peer] });
    }
    participants::list_unblocked_others(cx.db, id, me)
}
