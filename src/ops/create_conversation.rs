//! `POST /api/conversations`: a group, or the direct conversation with one
//! other person.

use super::group::{check_invited, tell_members};
use super::send_message::{announce_conversation, check_relation, facts};
use super::sight;
use super::{Access, Cx, Op, Outcome, present};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, Rev, Role, UserId};
use crate::store::{conversations, members, positions};
use crate::wire::{self, ClientMessageId, Event, OwnConversationView, Skip, Target, Title};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct CreateConversation {
    /// Everybody but oneself.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub participant_ids: Vec<UserId>,
    #[serde(default)]
    pub title: Option<Title>,
    /// Sent again, it gives the same conversation back.
    #[serde(default)]
    pub client_id: Option<ClientMessageId>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Created {
    pub conversation: OwnConversationView,
    #[serde(skip)]
    pub was_there: bool,
}

impl Op for CreateConversation {
    type Output = Created;

    fn name(&self) -> &'static str {
        "create_conversation"
    }

    fn access(&self) -> Access {
        Access::Write
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Created>> {
        self.check(caller.user_id, cx)?;
        match (&self.participant_ids[..], &self.title) {
            ([other], None) => open_direct(caller.user_id, *other, cx),
            (others, _) => self.found(caller.user_id, others, cx),
        }
    }

    fn replays(&self) -> bool {
        self.client_id.is_some()
    }

    fn earlier(&self, caller: &Caller, cx: &mut Cx) -> Result<Option<Created>> {
        let Some(client_id) = &self.client_id else { return Ok(None) };
        let Some(id) = members::find_by_client_id(cx.db, caller.user_id, client_id.as_str())? else { return Ok(None) };
        // The title may be another by now, and some may have left.
        if members::count_ever(cx.db, id, &self.participant_ids)? < self.participant_ids.len() as i64 {
            return Err(Error::Conflict("client_id was used for another conversation"));
        }
        show(caller.user_id, id, true, cx).map(Some)
    }
}

impl CreateConversation {
    fn check(&self, me: UserId, cx: &Cx) -> Result<()> {
        let invalid = |what: &'static str| Err(Error::Invalid(what.into()));
        if self.participant_ids.is_empty() {
            return invalid("participant_ids must name somebody");
        }
        if self.participant_ids.contains(&me) {
            return invalid("participant_ids must not name oneself");
        }
        if self.participant_ids.iter().collect::<BTreeSet<_>>().len() < self.participant_ids.len() {
            return invalid("participant_ids must name nobody twice");
        }
        let max = cx.rules.max_participants;
        if self.participant_ids.len() >= max {
            return Err(Error::Invalid(format!("participant_ids: a group has at most {max} people").into()));
        }
        Ok(())
    }

    fn found(&self, me: UserId, others: &[UserId], cx: &mut Cx) -> Result<Outcome<Created>> {
        check_invited(me, others, cx)?;
        let mut everybody = vec![(me, Role::Owner)];
        everybody.extend(others.iter().map(|user_id| (*user_id, Role::Member)));
        let ids: Vec<UserId> = everybody.iter().map(|(user_id, _)| *user_id).collect();
        let title = self.title.as_ref().map(Title::as_str);
        let client_id = self.client_id.as_ref().map(ClientMessageId::as_str);
        let id = members::insert_group(cx.db, me, title, client_id, cx.now)?;
        members::insert_members(cx.db, id, &everybody, cx.now)?;
        let mut events = tell_members(id, Rev::new(1), &ids, None, cx)?;
        events.extend(sight::on_create(id, &ids, cx)?);
        Ok(Outcome { output: show(me, id, false, cx)?, events })
    }
}

/// Finds or makes the direct conversation; while it is empty, those who opened
/// it alone know of it.
fn open_direct(me: UserId, other: UserId, cx: &mut Cx) -> Result<Outcome<Created>> {
    let facts = facts(me, Target::Recipient(other), cx)?;
    let made = facts.membership().map(|membership| membership.conversation_id);
    if let Some(id) = made
        && !conversations::list_with_places(cx.db, me, &[id])?.is_empty()
    {
        return Ok(Outcome::quiet(show(me, id, true, cx)?));
    }
    check_relation(me, other, &facts.standing, cx)?;
    let (id, is_new) = match made {
        Some(id) => (id, false),
        None => {
            let (membership, is_new) = conversations::insert_direct(cx.db, me, other, cx.now)?;
            (membership.conversation_id, is_new)
        }
    };
    let mut events = Vec::new();
    if !is_new {
        let skip = Skip { conversation_id: id, rev: positions::next_rev(cx.db, id)? };
        events.push(Event::Frame { to: vec![other], frame: wire::encode("skip", cx.now, &skip), ends_typing: None });
    }
    events.push(announce_conversation(id, &[me], cx)?);
    Ok(Outcome { output: show(me, id, false, cx)?, events })
}

fn show(me: UserId, id: ConversationId, was_there: bool, cx: &mut Cx) -> Result<Created> {
    Ok(Created { conversation: present::own_conversation(cx.db, me, id)?, was_there })
}
