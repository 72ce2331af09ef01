//! The address of a message, a receipt or a typing indicator: a conversation or a person.

use crate::error::{Error, Result};
use crate::ids::{ConversationId, UserId};
use crate::ops::op::Cx;
use crate::ops::views;
use crate::policy::{self, MessagePolicy, may_message};
use crate::store::accounts::people::Relation;
use crate::store::messaging::conversations::{self, SendingFacts};
use crate::store::messaging::participants;
use crate::wire::{self, ConversationUpdate, Effect, Target};

/// Loads the stored facts about a target.
///
/// # Errors
/// `NotFound` for a user who does not exist. `NotFound` for a conversation that does not exist or
/// that the caller is not in.
pub(crate) fn facts(me: UserId, target: Target, cx: &mut Cx) -> Result<SendingFacts> {
    match target {
        Target::Recipient(recipient) if recipient == me => {
            Err(Error::Invalid("recipient_id must not be your own id".into()))
        }
        Target::Recipient(recipient) => {
            conversations::find_facts_by_recipient(cx.db, me, recipient)?.ok_or(Error::NotFound("no such user"))
        }
        Target::Conversation(id) => conversations::find_facts_by_conversation(cx.db, me, id)?
            .ok_or(Error::NotFound(conversations::NO_SUCH_CONVERSATION)),
    }
}

/// Loads the facts from the store and lets the policy decide.
pub(crate) fn check_relation(me: UserId, other: UserId, relation: &Relation, cx: &mut Cx) -> Result<()> {
    let policy = cx.rules.message_policy;
    // Read only under the policy that needs it: most hubs use the open policy.
    let recipient_wrote =
        policy == MessagePolicy::Contacts && !relation.trusts_me && conversations::has_written_to(cx.db, other, me)?;
    let facts = policy::Relation {
        recipient_is_closed: relation.is_closed,
        sender_blocks: relation.i_block,
        recipient_blocks: relation.blocks_me,
        recipient_trusts: relation.trusts_me,
        recipient_wrote,
    };
    Ok(may_message(policy, &facts)?)
}

/// Announces a new conversation, rev 1, before its first message.
pub(crate) fn announce_conversation(id: ConversationId, audience: &[UserId], cx: &mut Cx) -> Result<Effect> {
    let row = conversations::get_conversation(cx.db, id)?;
    let people = participants::list_participants(cx.db, &[id], None)?;
    let conversation = views::conversation(&row, people);
    let update = ConversationUpdate { conversation_id: id, rev: row.rev, conversation: Some(&conversation) };
    let frame = wire::encode("conversation_update", cx.now, &update);
    Ok(Effect::Frame { to: audience.to_vec(), frame, ends_typing: None })
}
