//! `POST /api/conversations`: creates a group, or opens the direct conversation with one user.

use super::target::{announce_conversation, check_relation, facts};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, Role, UserId};
use crate::ops::groups::group::{admit, take_quotas};
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::presence::presence_visibility;
use crate::ops::views::{self, MAX_LISTED_PARTICIPANTS};
use crate::policy::{MAX_GROUPS, MAX_GROUPS_A_DAY};
use crate::store::Cost;
use crate::store::accounts::quotas::Kind;
use crate::store::accounts::users;
use crate::store::messaging::{conversations, members, positions};
use crate::wire::{
    self, ClientMessageId, ConversationUpdate, ConversationView, Effect, OwnConversationView, Skip, Target, Title,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A new group takes one rate token for this many people.
const PEOPLE_PER_TOKEN: usize = 10;
/// The most tokens that one group takes. It is below the burst of changes, so that the largest
/// group can be created.
const MAX_RATE_TOKENS: u32 = 20;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct CreateConversation {
    /// The other participants, without the caller.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub participant_ids: Vec<UserId>,
    #[serde(default)]
    pub title: Option<Title>,
    /// Idempotency key: a request with the same key returns the same conversation.
    #[serde(default)]
    pub client_id: Option<ClientMessageId>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Created {
    pub conversation: OwnConversationView,
    #[serde(skip)]
    pub existed: bool,
}

impl Op for CreateConversation {
    type Output = Created;
    const NAME: &'static str = "create_conversation";
    const ACCESS: Access = Access::Write;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Created>> {
        self.check(caller.user_id, cx)?;
        match (&self.participant_ids[..], &self.title) {
            ([other], None) => open_direct(caller.user_id, *other, cx),
            (others, _) => self.create_group(caller.user_id, others, cx),
        }
    }

    fn cost(&self) -> Cost {
        if self.participant_ids.len() > PEOPLE_PER_TOKEN { Cost::Heavy } else { Cost::Light }
    }

    fn rate_tokens(&self) -> u32 {
        let tokens = self.participant_ids.len().div_ceil(PEOPLE_PER_TOKEN);
        u32::try_from(tokens).unwrap_or(MAX_RATE_TOKENS).clamp(1, MAX_RATE_TOKENS)
    }

    fn replays(&self) -> bool {
        self.client_id.is_some()
    }

    fn replay(&self, caller: &Caller, cx: &mut Cx) -> Result<Option<Created>> {
        let Some(client_id) = &self.client_id else { return Ok(None) };
        let Some(id) = members::find_by_client_id(cx.db, caller.user_id, client_id.as_str())? else { return Ok(None) };
        // The title may have changed since, and members may have left.
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
            return invalid("participant_ids must contain at least one id");
        }
        if self.participant_ids.contains(&me) {
            return invalid("participant_ids must not contain your own id");
        }
        if self.participant_ids.iter().collect::<BTreeSet<_>>().len() < self.participant_ids.len() {
            return invalid("participant_ids must not contain duplicates");
        }
        let max = cx.rules.max_participants;
        if self.participant_ids.len() >= max {
            return Err(Error::Invalid(format!("participant_ids: a group has at most {max} people").into()));
        }
        Ok(())
    }

    fn create_group(&self, me: UserId, others: &[UserId], cx: &mut Cx) -> Result<Outcome<Created>> {
        if users::get_group_count(cx.db, me)? >= MAX_GROUPS {
            return Err(Error::Conflict("you are in 5,000 groups, the maximum: leave one first"));
        }
        let strangers = admit(me, others, cx)?;
        let max_strangers = cx.rules.max_strangers_a_day();
        take_quotas(me, &[(Kind::Strangers, strangers, max_strangers), (Kind::Groups, 1, MAX_GROUPS_A_DAY)], cx)?;
        let mut everybody = vec![(me, Role::Owner)];
        everybody.extend(others.iter().map(|user_id| (*user_id, Role::Member)));
        let ids: Vec<UserId> = everybody.iter().map(|(user_id, _)| *user_id).collect();
        let title = self.title.as_ref().map(Title::as_str);
        let client_id = self.client_id.as_ref().map(ClientMessageId::as_str);
        let id = members::insert_group(cx.db, me, title, client_id, cx.now)?;
        members::insert_members(cx.db, id, me, &everybody, cx.now)?;
        let created = show(me, id, false, cx)?;
        let mut effects = vec![announce_group(&created.conversation.shared, ids.clone(), cx)];
        effects.extend(presence_visibility::on_create(id, &ids, cx)?);
        Ok(Outcome { output: created, effects })
    }
}

/// Tells the members of a new group that it exists. The frame lists no members if the group has
/// more than a conversation lists.
fn announce_group(group: &ConversationView, members: Vec<UserId>, cx: &Cx) -> Effect {
    let mut conversation = group.clone();
    if members.len() > MAX_LISTED_PARTICIPANTS {
        conversation.participants.clear();
    }
    let update = ConversationUpdate { conversation_id: group.id, rev: group.rev, conversation: Some(&conversation) };
    Effect::Frame { to: members, frame: wire::encode("conversation_update", cx.now, &update), ends_typing: None }
}

/// Finds or creates the direct conversation. While it is empty, only the users who opened it know
/// of it.
fn open_direct(me: UserId, other: UserId, cx: &mut Cx) -> Result<Outcome<Created>> {
    let facts = facts(me, Target::Recipient(other), cx)?;
    let made = facts.membership().map(|membership| membership.conversation_id);
    if let Some(id) = made
        && !conversations::list_with_own_state(cx.db, me, &[id])?.is_empty()
    {
        return Ok(Outcome::without_effects(show(me, id, true, cx)?));
    }
    check_relation(me, other, &facts.relation, cx)?;
    let (id, is_new) = match made {
        Some(id) => (id, false),
        None => {
            let (membership, is_new) = conversations::insert_direct(cx.db, me, other, cx.now)?;
            (membership.conversation_id, is_new)
        }
    };
    let mut effects = Vec::new();
    if !is_new {
        let skip = Skip { conversation_id: id, rev: positions::next_rev(cx.db, id)? };
        effects.push(Effect::Frame { to: vec![other], frame: wire::encode("skip", cx.now, &skip), ends_typing: None });
    }
    effects.push(announce_conversation(id, &[me], cx)?);
    Ok(Outcome { output: show(me, id, false, cx)?, effects })
}

fn show(me: UserId, id: ConversationId, existed: bool, cx: &mut Cx) -> Result<Created> {
    Ok(Created { conversation: views::own_conversation(cx.db, me, id)?, existed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_cost_grows_with_the_participants_up_to_a_limit() {
        for (people, rate_tokens, cost) in [
            (1, 1, Cost::Light),
            (10, 1, Cost::Light),
            (11, 2, Cost::Heavy),
            (99, 10, Cost::Heavy),
            (200, 20, Cost::Heavy),
            (999, 20, Cost::Heavy),
        ] {
            let participant_ids = (1..=people).map(UserId::new).collect();
            let op = CreateConversation { participant_ids, title: None, client_id: None };
            assert_eq!((op.rate_tokens(), op.cost()), (rate_tokens, cost), "{people} people");
        }
    }
}
