//! `DELETE /api/auth/me`: an account is closed. What its owner said stays, under
//! another name; who it was is forgotten.

use super::find_caller::check_standing;
use super::find_password::check_still;
use super::present;
use super::settle_groups::settle;
use super::sight::hidden;
use super::{Access, Cost, Cx, Done, Op, Outcome};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::store::{conversations, logins, members, participants, people, positions, presence, users};
use crate::wire::{self, ConversationUpdate, Event};

#[derive(Clone, Debug)]
pub struct CloseAccount {
    /// The stored hash that the password was checked against. None for an
    /// account without a password, whose owner showed a fresh token.
    pub checked_hash: Option<String>,
}

impl Op for CloseAccount {
    type Output = Done;

    fn name(&self) -> &'static str {
        "close_account"
    }

    fn access(&self) -> Access {
        Access::Write
    }

    fn cost(&self) -> Cost {
        Cost::Heavy
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        const ENDED: Error = Error::Unauthenticated("the login has ended");
        let me = caller.user_id;
        match (caller.login_id, &self.checked_hash) {
            (Some(login_id), Some(hash)) if logins::exists(cx.db, login_id)? => check_still(me, hash, cx)?,
            (None, None) if users::find_password_hash(cx.db, me)?.is_none() => check_standing(cx, me)?,
            _ => return Err(ENDED),
        }
        let viewers = presence::list_viewers(cx.db, me)?;
        logins::delete_logins(cx.db, me)?;
        users::close(cx.db, me, cx.now)?;
        let mut events = vec![Event::LoginsEnded(me)];
        events.extend(settle(me, cx)?);
        events.extend(rename(me, cx)?);
        // The only word of it: nobody sees a closed account's presence.
        events.extend(viewers.into_iter().map(|viewer| hidden(viewer, me)));
        // Last, so that nobody who was blocked sees anything of this.
        people::delete_ties(cx.db, me)?;
        Ok(Outcome { output: Done {}, events })
    }
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
