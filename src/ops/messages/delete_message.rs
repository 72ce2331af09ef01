//! `delete_message` and `DELETE /api/messages/{message_id}`: deletes a message for everyone, which leaves a
//! tombstone, or only for the caller.

use super::change_message::{change, tell_change};
use super::visible::get_visible_message;
use crate::auth::Caller;
use crate::error::Result;
use crate::ids::MessageId;
use crate::ops::op::{Access, Cx, Done, Op, Outcome};
use crate::ops::views::tell_me;
use crate::policy::may_change;
use crate::store::accounts::users;
use crate::store::messaging::messages::{self, Message};
use crate::store::messaging::{positions, reactions, search_index, unread};
use crate::wire::{self, Effect, MeUpdate, UnreadChange};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct DeleteMessage {
    pub message_id: MessageId,
    pub r#for: Whom,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    Everyone,
    Me,
}

impl Op for DeleteMessage {
    type Output = Done;
    const NAME: &'static str = "delete_message";
    const ACCESS: Access = Access::Write;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let message = get_visible_message(caller, self.message_id, cx)?;
        let effects = match self.r#for {
            Whom::Everyone => for_everyone(caller, &message, cx)?,
            Whom::Me => for_me(caller, &message, cx)?,
        };
        Ok(Outcome { output: Done {}, effects })
    }
}

/// Deletes the message for everyone. A block does not prevent it: a deletion sends no new text.
fn for_everyone(caller: &Caller, row: &Message, cx: &mut Cx) -> Result<Vec<Effect>> {
    may_change(caller.user_id, row.sender_id)?;
    if row.deleted_at.is_some() {
        return Ok(Vec::new());
    }
    let rev = positions::next_rev(cx.db, row.conversation_id)?;
    let readers = unread::list_unread_by(cx.db, row)?;
    messages::set_deleted(cx.db, row.id, rev, cx.now)?;
    reactions::delete_reactions(cx.db, row.id)?;
    search_index::remove(cx.db, row.id)?;
    let now = cx.now;
    let (_, mut effects) = tell_change(row.id, cx, |message| wire::encode("message_deleted", now, &change(message)))?;
    effects.push(Effect::Unread {
        conversation_id: row.conversation_id,
        users: readers,
        change: UnreadChange::Removed,
    });
    Ok(effects)
}

fn for_me(caller: &Caller, row: &Message, cx: &mut Cx) -> Result<Vec<Effect>> {
    let me = caller.user_id;
    let number = users::next_private_rev(cx.db, me)?;
    messages::insert_hidden(cx.db, (row.conversation_id, row.id), me, number)?;
    let update = tell_me(me, &MeUpdate { me: number, hidden: &[row.id], ..MeUpdate::default() }, cx);
    let unread =
        Effect::Unread { conversation_id: row.conversation_id, users: vec![me], change: UnreadChange::Unknown };
    Ok(vec![update, unread])
}
