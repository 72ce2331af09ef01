//! `DELETE /api/auth/me`: an account is closed. What its owner said stays, under
//! another name; who it was is forgotten.

use super::find_password::check_still;
use super::group::{pass_on_ownership, take_out};
use super::present;
use super::sight::{self, Step, hidden};
use super::{Access, Cx, Done, Op, Outcome};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, Role, UserId};
use crate::store::presence::{self, MAX_PRESENCE_GROUP};
use crate::store::{conversations, logins, members, participants, people, positions, users};
use crate::wire::{self, ConversationUpdate, Event};

#[derive(Clone, Debug)]
pub struct CloseAccount {
    /// The stored hash that the password was checked against.
    pub checked_hash: String,
}

impl Op for CloseAccount {
    type Output = Done;

    fn name(&self) -> &'static str {
        "close_account"
    }

    fn access(&self) -> Access {
        Access::Write
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        const ENDED: Error = Error::Unauthenticated("the login has ended");
        let me = caller.user_id;
        if !logins::exists(cx.db, caller.login_id.ok_or(ENDED)?)? {
            return Err(ENDED);
        }
        check_still(me, &self.checked_hash, cx)?;
        let viewers = presence::list_viewers(cx.db, me)?;
        logins::delete_logins(cx.db, me)?;
        users::close(cx.db, me, cx.now)?;
        let mut events = vec![Event::LoginsEnded(me)];
        for id in members::list_groups(cx.db, me)? {
            events.extend(leave(me, id, cx)?);
        }
        events.extend(rename(me, cx)?);
        // The only word of it: nobody sees a closed account's presence.
        events.extend(viewers.into_iter().map(|viewer| hidden(viewer, me)));
        // Last, so that nobody who was blocked sees anything of this.
        people::delete_ties(cx.db, me)?;
        Ok(Outcome { output: Done {}, events })
    }
}

/// Takes the person out of a group, and passes its ownership on first.
fn leave(me: UserId, id: ConversationId, cx: &mut Cx) -> Result<Vec<Event>> {
    conversations::lock(cx.db, id)?;
    let Some(role) = members::find_role(cx.db, id, me)? else { return Ok(Vec::new()) };
    let mut others = participants::list_member_ids(cx.db, id)?;
    others.retain(|member| *member != me);
    let mut events = if role == Role::Owner { pass_on_ownership(id, Some(me), cx)? } else { Vec::new() };
    events.extend(take_out(id, me, cx)?);
    // What the others see of each other; nobody sees the person any more.
    if others.len() == MAX_PRESENCE_GROUP as usize {
        events.extend(sight::on_change(id, &others, me, Step::Leaves, cx)?);
    }
    Ok(events)
}

/// Tells those with whom one has a direct conversation that one has another
/// name now, in each under the next `rev`.
fn rename(me: UserId, cx: &mut Cx) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for ids in members::list_direct(cx.db, me)?.chunks(members::CHUNK) {
        positions::set_changed(cx.db, ids, me)?;
        let rows = conversations::list_by_ids(cx.db, ids)?;
        let people = participants::list_participants(cx.db, ids, Some(me))?;
        let mut people = present::by_conversation(people, |row| row.conversation_id);
        for row in rows {
            let conversation = present::conversation(&row, people.remove(&row.id).unwrap_or_default());
            let update =
                ConversationUpdate { conversation_id: row.id, rev: row.rev, conversation: Some(&conversation) };
            let frame = wire::encode("conversation_update", cx.now, &update);
            events.push(Event::Left { conversation_id: row.id, user_id: me });
            let to = row.peer_of(me).into_iter().collect();
            events.push(Event::Frame { to, frame, ends_typing: None });
        }
    }
    Ok(events)
}
