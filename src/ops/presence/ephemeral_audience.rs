//! Who notices what one does in a conversation and nothing keeps: that one
//! types, or looks at it.

use crate::error::Result;
use crate::ids::{ConversationId, UserId};
use crate::ops::op::Cx;
use crate::store::messaging::conversations::SendingFacts;
use crate::store::messaging::participants;
use crate::wire::Audience;

/// Everybody else there, but for those with whom there is a block, and for who
/// does not know yet that they are in it.
pub(crate) fn list_ephemeral_audience(
    me: UserId,
    id: ConversationId,
    facts: &SendingFacts,
    cx: &mut Cx,
) -> Result<Audience> {
    if let Some(peer) = facts.peer {
        let is_hidden = facts.standing.i_block || facts.standing.blocks_me || !facts.is_known_to_both();
        return Ok(if is_hidden { Vec::new() } else { vec![peer] });
    }
    participants::list_unblocked_others(cx.db, id, me)
}
