//! `join_conversation` and `PUT /api/conversations/{conversation_id}/viewing`: the caller starts viewing the
//! conversation. The event is relayed to the other participants and not stored.

use super::ephemeral_audience::list_ephemeral_audience;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, UserId};
use crate::limits::Class;
use crate::ops::conversations::target::facts;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::schema::one_of;
use crate::store::accounts::pairs::MAX_PRESENCE_GROUP;
use crate::store::messaging::conversations::{self, NO_SUCH_CONVERSATION, SendingFacts};
use crate::wire::{Effect, Target, ViewingEvent};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = one_of(["recipient_id", "conversation_id"]))]
pub struct JoinConversation {
    pub recipient_id: Option<UserId>,
    pub conversation_id: Option<ConversationId>,
}

impl Op for JoinConversation {
    type Output = Done;
    const NAME: &'static str = "join_conversation";
    // Runs in the writer, so that no event overtakes a block committed before it.
    const ACCESS: Access = Access::Write;
    const CLASS: Class = Class::Mark;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let me = caller.user_id;
        let target = Target::named(self.recipient_id, self.conversation_id)?;
        let (id, facts) = find_own(me, target, cx)?;
        // A large group gets no viewing effects, as with presence.
        let is_large =
            facts.peer.is_none() && conversations::get_conversation(cx.db, id)?.member_count > MAX_PRESENCE_GROUP;
        let to = if is_large { Vec::new() } else { list_ephemeral_audience(me, id, &facts, cx)? };
        let event = ViewingEvent { conversation_id: id, user_id: me, is_viewing: true, to, session: caller.session_id };
        Ok(Outcome { output: Done {}, effects: vec![Effect::Viewing(event)] })
    }
}

/// Finds a conversation that the caller is in.
///
/// # Errors
/// `NotFound` for any other conversation, and for a user without a conversation with the caller.
pub(crate) fn find_own(me: UserId, target: Target, cx: &mut Cx) -> Result<(ConversationId, SendingFacts)> {
    let facts = facts(me, target, cx)?;
    let membership = facts.membership().ok_or(Error::NotFound(NO_SUCH_CONVERSATION))?;
    let id = membership.conversation_id;
    if !facts.is_known_to_both() {
        // An empty direct conversation may be open for the other user only.
        conversations::get_with_own_state(cx.db, me, id)?;
    }
    Ok((id, facts))
}
