//! `PUT` and `DELETE /api/blocks/{user_id}`: neither writes to the other, sees
//! the other type, or sees whether the other is online.

use super::present::tell_me;
use super::{Access, Cx, Done, Op, Outcome};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::store::{conversations, people, users};
use crate::wire::{Event, MeUpdate, TieView, TypingEvent};

#[derive(Clone, Copy, Debug)]
pub struct SetBlock {
    pub user_id: UserId,
    pub is_blocked: bool,
}

impl Op for SetBlock {
    type Output = Done;

    fn name(&self) -> &'static str {
        "set_block"
    }

    fn access(&self) -> Access {
        Access::Write
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Done>> {
        let (me, other) = (caller.user_id, self.user_id);
        if other == me {
            return Err(Error::Invalid("user_id must be somebody else".into()));
        }
        users::find_user(cx.db, other)?.ok_or(Error::NotFound("no such user"))?;
        let mut events = Vec::new();
        if let Some(number) = people::set_block(cx.db, me, other, self.is_blocked, cx.now)? {
            let tie = [TieView { user_id: other, removed: !self.is_blocked }];
            events.push(tell_me(me, &MeUpdate { me: number, blocks: &tie, ..MeUpdate::default() }, cx));
            if self.is_blocked {
                events.extend(end_typing(me, other, cx)?);
            }
            for (viewer, subject) in [(me, other), (other, me)] {
                events.extend(presence_change(viewer, subject, self.is_blocked, cx)?);
            }
        }
        Ok(Outcome { output: Done {}, events })
    }
}

/// Clears the marks that the two set for each other a moment ago.
fn end_typing(me: UserId, other: UserId, cx: &mut Cx) -> Result<Vec<Event>> {
    let Some(membership) = conversations::find_direct(cx.db, me, other)? else { return Ok(Vec::new()) };
    let stopped = |typist: UserId, reader: UserId| {
        Event::Typing(TypingEvent {
            conversation_id: membership.conversation_id,
            user_id: typist,
            recipient_id: Some(reader),
            is_typing: false,
            to: vec![reader],
            session: None,
        })
    };
    Ok(vec![stopped(me, other), stopped(other, me)])
}

/// Tells a viewer only what changes for them: nothing when they had no reason
/// to see the other's presence, or when the block of the other side stands.
fn presence_change(viewer: UserId, subject: UserId, hides: bool, cx: &mut Cx) -> Result<Option<Event>> {
    if hides {
        return Ok(Some(Event::Presence { viewer, subject, is_visible: false, last_seen_at: None }));
    }
    if !people::list_visible(cx.db, viewer)?.contains(&subject) {
        return Ok(None);
    }
    let last_seen_at = users::find_last_seen(cx.db, subject)?;
    Ok(Some(Event::Presence { viewer, subject, is_visible: true, last_seen_at }))
}
