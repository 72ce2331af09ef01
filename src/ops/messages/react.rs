//! `react` and `PUT`/`DELETE /api/messages/{message_id}/reactions/{emoji}`: adds or removes a reaction.

use super::change_message::{change, check_may_write, get_undeleted_message, tell_change};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::MessageId;
use crate::ops::op::{Access, Cx, MessageReply, Op, Outcome};
use crate::ops::views;
use crate::store::messaging::{messages, positions, reactions};
use crate::wire::{self, Emoji, Encoded, MessageView, ReactionChange};
use schemars::JsonSchema;
use serde::Deserialize;

/// Most different emoji on one message.
const MAX_KINDS: usize = 20;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct React {
    pub message_id: MessageId,
    pub emoji: Emoji,
    /// True adds the reaction, false removes it.
    pub on: bool,
}

impl Op for React {
    type Output = MessageReply;
    const NAME: &'static str = "react";
    const ACCESS: Access = Access::Write;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<MessageReply>> {
        let (me, emoji) = (caller.user_id, self.emoji.as_str());
        let row = get_undeleted_message(caller, self.message_id, cx)?;
        check_may_write(me, row.conversation_id, cx)?;
        if reactions::has_reacted(cx.db, row.id, emoji, me)? == self.on {
            return Ok(Outcome::without_effects(MessageReply { message: Encoded::new(views::current(cx.db, row)?) }));
        }
        let rev = positions::next_rev(cx.db, row.conversation_id)?;
        if self.on {
            let kinds = reactions::list_tallies(cx.db, &[row.id])?;
            if kinds.len() >= MAX_KINDS && !kinds.iter().any(|kind| kind.emoji == emoji) {
                return Err(Error::Conflict("a message has at most 20 different reactions: choose one of them"));
            }
            reactions::insert_reaction(cx.db, (row.conversation_id, row.id), emoji, me, rev)?;
        } else {
            reactions::delete_reaction(cx.db, row.id, emoji, me)?;
        }
        messages::set_changed(cx.db, row.id, rev, cx.now)?;
        let (now, on) = (cx.now, self.on);
        let encode = |message: &Encoded<MessageView>| {
            let change = ReactionChange { change: change(message), emoji, user_id: me, on };
            wire::encode("message_reaction", now, &change)
        };
        let (message, effects) = tell_change(row.id, cx, encode)?;
        Ok(Outcome { output: MessageReply { message }, effects })
    }
}
