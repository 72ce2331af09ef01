//! `join_conversation` and `PUT /api/conversations/{id}/viewing`: the caller
//! is looking at it. Relayed to the others, stored nowhere.

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
    // In the writer, so that nothing passes a block that was committed before.
    const ACCESS: Access = Access::Write;
    const CLASS: Class = Class::Mark;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let me = caller.user_id;
        let target = Target::named(self.recipient_id, self.conversation_id)?;
        let (id, facts) = find_own(me, target, cx)?;
        // As with presence: in a large group it is nobody's news.
        let is_large =
            facts.peer.is_none() && conversations::get_conversation(cx.db, id)?.member_count > MAX_PRESENCE_GROUP;
        let to = if is_large { Vec::new() } else { list_ephemeral_audience(me, id, &facts, cx)? };
        let event = ViewingEvent { conversation_id: id, user_id: me, is_viewing: true, to, session: caller.session_id };
        Ok(Outcome { output: Done {}, events: vec![Effect::Viewing(event)] })
    }
}

/// A conversation one is in.
///
/// # Errors
/// `NotFound` for any other, and for a person with whom there is none.
pub(crate) fn find_own(me: UserId, target: Target, cx: &mut Cx) -> Result<(ConversationId, SendingFacts)> {
    let facts = facts(me, target, cx)?;
    let membership = facts.membership().ok_or(Error::NotFound(NO_SUCH_CONVERSATION))?;
    let id = membership.conversation_id;
    if !facts.is_known_to_both() {
        // Which of the two has opened it?
        conversations::get_with_place(cx.db, me, id)?;
    }
    Ok((id, facts))
}
