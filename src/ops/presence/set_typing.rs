//! `typing_indicator`: relays typing to the other participants and stores nothing.

use super::ephemeral_audience::list_ephemeral_audience;
use crate::auth::Caller;
use crate::error::Result;
use crate::ids::{ConversationId, UserId};
use crate::limits::Class;
use crate::ops::conversations::target::{check_relation, facts};
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::schema::one_of;
use crate::wire::{Effect, Target, TypingEvent};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(transform = one_of(["recipient_id", "conversation_id"]))]
pub struct SetTyping {
    #[serde(default)]
    pub recipient_id: Option<UserId>,
    #[serde(default)]
    pub conversation_id: Option<ConversationId>,
    pub is_typing: bool,
}

impl Op for SetTyping {
    type Output = Done;
    const NAME: &'static str = "set_typing";
    // Runs in the writer, so that no event overtakes a block committed before it.
    const ACCESS: Access = Access::Write;
    const CLASS: Class = Class::Mark;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let me = caller.user_id;
        let target = Target::named(self.recipient_id, self.conversation_id)?;
        let facts = facts(me, target, cx)?;
        if let Some(peer) = facts.peer {
            check_relation(me, peer, &facts.relation, cx)?;
        }
        // Between two users without any message yet, the first thing to arrive must be a message.
        let Some(membership) = facts.membership() else { return Ok(Outcome::without_effects(Done {})) };
        let to = list_ephemeral_audience(me, membership.conversation_id, &facts, cx)?;
        let event = TypingEvent {
            conversation_id: membership.conversation_id,
            user_id: me,
            recipient_id: facts.peer,
            is_typing: self.is_typing,
            to,
            session: caller.session_id,
        };
        Ok(Outcome { output: Done {}, effects: vec![Effect::Typing(event)] })
    }
}
