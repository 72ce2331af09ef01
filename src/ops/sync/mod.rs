//! `sync` and `POST /api/sync`: returns everything that a client lacks, from one snapshot, in
//! bounded portions.
//!
//! A client sends its position in each conversation. Later changes are returned row by row. When
//! the position is unknown, ahead or too far behind, the conversation is returned as a reset
//! (`reset`) with its newest messages. No decision depends on a clock.

mod answer;
mod cursor;
#[cfg(test)]
mod cursor_test;
#[cfg(test)]
mod sync_test;

use super::op::{Access, Cx, Op, Outcome};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MessageId, Position, UserId};
use crate::schema::by_id;
use crate::store::Cost;
use crate::store::accounts::users;
use crate::store::messaging::changes::{self, RelationChange};
use crate::store::messaging::{messages, positions};
use crate::wire::{self, OwnStateView, RelationChangeView};
use answer::{Answer, ChangedConversation, Due};
use cursor::{Cursor, OwnCursor};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Most positions in one request.
const MAX_HELD: usize = 2_000;
/// Bytes around the answer: keys, numbers, and the `ack` of a socket.
const FRAME: usize = 512;

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sync {
    /// The epoch of the client's data. If it differs from the hub's epoch, the hub ignores the
    /// client's positions.
    pub epoch: Option<String>,
    pub me: Option<Position>,
    #[serde(deserialize_with = "held")]
    #[schemars(schema_with = "by_id::<Position>", extend("maxProperties" = MAX_HELD))]
    pub conversations: BTreeMap<ConversationId, Position>,
    /// Return only the conversations that the request names.
    pub only: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Changes {
    pub epoch: String,
    /// False if there is more: apply this answer, then ask again.
    pub complete: bool,
    pub me: i64,
    pub mine: Mine,
    #[schemars(with = "Vec<ChangedConversation>")]
    pub conversations: Vec<Box<RawValue>>,
    /// Requested conversations that the caller may not see, or that do not exist.
    pub left: Vec<ConversationId>,
}

/// Private data that only the caller sees.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Mine {
    pub reset: bool,
    pub blocks: Vec<RelationChangeView>,
    pub contacts: Vec<RelationChangeView>,
    pub conversations: Vec<OwnStateView>,
    /// Messages that the caller deleted only for themselves.
    pub hidden: Vec<MessageId>,
}

/// An id as the key of an object. It has only digits, so that no two keys mean the same id.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key(ConversationId);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(input)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

fn held<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<ConversationId, Position>, D::Error> {
    let held = BTreeMap::<Key, Position>::deserialize(input)?;
    Ok(held.into_iter().map(|(Key(id), position)| (id, position)).collect())
}

impl Op for Sync {
    type Output = Changes;
    const NAME: &'static str = "sync";
    const ACCESS: Access = Access::Read;
    const COST: Cost = Cost::Heavy;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Changes>> {
        self.check()?;
        let me = caller.user_id;
        let knows_epoch = self.epoch.as_deref().is_none_or(|epoch| epoch == cx.epoch);
        let named: Vec<ConversationId> = self.conversations.keys().copied().collect();
        let heads = changes::list_heads(cx.db, me, self.only.then_some(&named[..]))?;
        let known: BTreeSet<ConversationId> = heads.iter().map(|head| head.id).collect();
        let (number, mine, is_whole) = self.mine(me, knows_epoch, cx)?;
        let left: Vec<ConversationId> = named.into_iter().filter(|id| !known.contains(id)).collect();
        let mut answer = Answer::new(&cx.rules.sync, FRAME + wire::json(&mine).len() + wire::json(&left).len());
        let mut due = Vec::new();
        for head in heads {
            let named = self.conversations.get(&head.id);
            let held = named.filter(|_| knows_epoch).map(|held| held.get());
            if let Some(cursor) = Cursor::new(&head, held, named.is_some()) {
                due.push(Due { id: head.id, cursor });
            }
        }
        let is_all = answer.fill(me, &due, cx)?;
        Ok(Outcome::without_effects(Changes {
            epoch: cx.epoch.to_owned(),
            complete: is_all && is_whole,
            me: number,
            mine,
            conversations: answer.conversations,
            left,
        }))
    }
}

impl Sync {
    fn check(&self) -> Result<()> {
        if self.conversations.len() > MAX_HELD {
            return Err(Error::Invalid(format!("conversations must have at most {MAX_HELD} entries").into()));
        }
        Ok(())
    }

    /// Returns the caller's private changes, the number that they lead to, and whether they are all
    /// of them.
    fn mine(&self, me: UserId, knows_epoch: bool, cx: &mut Cx) -> Result<(i64, Mine, bool)> {
        let last = users::get_private_rev(cx.db, me)?;
        let held = self.me.map(Position::get).filter(|_| knows_epoch);
        let cursor = OwnCursor::new(held, last, cx.rules.sync.own_rows);
        let (from, limit) = (cursor.from(), cursor.wanted());
        let blocks = changes::list_blocks_after(cx.db, me, from, limit)?;
        let contacts = changes::list_contacts_after(cx.db, me, from, limit)?;
        let own_states = positions::list_own_state_changes(cx.db, me, from, limit)?;
        let hidden = messages::list_hidden_after(cx.db, me, from, limit)?;
        let relations = blocks.iter().chain(&contacts).map(|change| change.private_rev);
        let rest = own_states
            .iter()
            .map(|own_state| own_state.private_rev)
            .chain(hidden.iter().map(|hidden| hidden.private_rev));
        let cut = cursor.leads_to(relations.chain(rest).collect());
        let relations = |relations: Vec<RelationChange>| {
            let shown = relations
                .into_iter()
                .filter(|change| change.private_rev <= cut && (!cursor.is_reset() || !change.removed));
            shown.map(|change| RelationChangeView { user_id: change.user_id, removed: change.removed }).collect()
        };
        let mine = Mine {
            reset: cursor.is_reset(),
            blocks: relations(blocks),
            contacts: relations(contacts),
            conversations: own_states
                .into_iter()
                .filter(|own_state| own_state.private_rev <= cut)
                .map(|own_state| OwnStateView {
                    id: own_state.conversation_id,
                    cleared_seq: own_state.cleared_seq,
                    visible_from_seq: own_state.visible_from_seq,
                    read_seq: own_state.read_seq,
                })
                .collect(),
            hidden: hidden
                .into_iter()
                .filter(|hidden| hidden.private_rev <= cut)
                .map(|hidden| hidden.message_id)
                .collect(),
        };
        Ok((cut, mine, cursor.is_complete(cut)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_out_of_bounds_are_refused_and_named() {
        let sync = |json: &str| wire::parse::<Sync>(json.as_bytes()).and_then(|sync| sync.check());
        assert!(sync("{}").is_ok());
        assert!(sync(r#"{"me":0,"conversations":{"12":87,"13":0}}"#).is_ok());
        for (json, key) in [
            (r#"{"me":-1}"#, "me"),
            (r#"{"conversations":{"12":-1}}"#, "conversations"),
            (r#"{"conversations":{"12":9007199254740992}}"#, "conversations"),
            (r#"{"conversations":{"0":1}}"#, "conversations"),
            (r#"{"conversations":{"x":1}}"#, "conversations"),
            (r#"{"conversations":[]}"#, "conversations"),
            (r#"{"only":1}"#, "only"),
        ] {
            let error = sync(json).unwrap_err();
            assert!(error.detail().contains(key), "{json}: {}", error.detail());
        }
    }

    #[test]
    fn positions_pass_up_to_the_limit() {
        let with = |count: i64| Sync {
            conversations: (1..=count).map(|id| (ConversationId::new(id), Position::new(1))).collect(),
            ..Sync::default()
        };
        assert!(with(2_000).check().is_ok());
        assert!(with(2_001).check().is_err());
    }
}
