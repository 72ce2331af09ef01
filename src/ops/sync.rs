//! `sync` and `POST /api/sync`: everything a client does not have yet, from
//! one snapshot, in bounded portions.
//!
//! A client tells the position it has of each conversation. What changed since
//! comes row by row; where the position is unknown, ahead, or too far behind,
//! the conversation comes anew (`reset`) with its newest messages. Nothing is
//! decided by a clock.

use super::present::{self, by_conversation};
use super::{Access, Cx, Op, Outcome};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MessageId, Position, Rev, Seq, UserId};
use crate::schema::by_id;
use crate::store::changes::{self, Since, Standing, Tie};
use crate::store::{conversations, messages, positions, users};
use crate::wire::{self, MessageView, OwnConversationView, OwnPlaceView, ParticipantView, TieView};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Positions one request may tell.
const MAX_HELD: usize = 2_000;
/// Of one answer.
const MAX_MESSAGES: usize = 500;
const MAX_CONVERSATIONS: usize = 1_000;
const MAX_BYTES: usize = 1 << 20;
/// Newest messages that come with a conversation anew.
const RESET_MESSAGES: usize = 50;
/// From so many changes on, a conversation comes anew.
const MAX_CHANGES: i64 = MAX_MESSAGES as i64 + 1;
/// Conversations loaded at once.
const MAX_BATCH: usize = 100;
/// Rows of one's own (blocks, contacts, places) in one answer.
const MAX_OWN: usize = 1_000;
/// What stands around it: keys, numbers, the `ack` of a socket.
const FRAME: usize = 512;
/// Room kept for each conversation that is still to come, so that a client's
/// first answer names all of them before it holds much of any.
const BYTES_FOR_OTHERS: usize = 1_000;

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sync {
    /// Another epoch than the hub's: what the client holds counts for nothing.
    pub epoch: Option<String>,
    pub me: Option<Position>,
    #[serde(deserialize_with = "held")]
    #[schemars(schema_with = "by_id::<Position>", extend("maxProperties" = MAX_HELD))]
    pub conversations: BTreeMap<ConversationId, Position>,
    /// Speak of the named conversations alone.
    pub only: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Changes {
    pub epoch: String,
    /// False: apply, then ask again.
    pub complete: bool,
    pub me: i64,
    pub mine: Mine,
    #[schemars(with = "Vec<ChangedConversation>")]
    pub conversations: Vec<Box<RawValue>>,
    /// Asked for, and not the caller's to see.
    pub left: Vec<ConversationId>,
}

/// What the caller alone sees.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Mine {
    pub reset: bool,
    pub blocks: Vec<TieView>,
    pub contacts: Vec<TieView>,
    pub conversations: Vec<OwnPlaceView>,
    /// Messages deleted for oneself.
    pub hidden: Vec<MessageId>,
}

#[derive(Serialize, JsonSchema)]
struct ChangedConversation {
    id: ConversationId,
    /// The client's position once it applied this.
    rev: Rev,
    reset: bool,
    conversation: OwnConversationView,
    participants: Vec<ParticipantView>,
    messages: Vec<MessageView>,
}

/// An id as the key of an object: digits and nothing else, so that no two keys
/// are the same id.
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

    fn name(&self) -> &'static str {
        "sync"
    }

    fn access(&self) -> Access {
        Access::Read
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Changes>> {
        self.check()?;
        let me = caller.user_id;
        let knows_epoch = self.epoch.as_deref().is_none_or(|epoch| epoch == cx.epoch);
        let named: Vec<ConversationId> = self.conversations.keys().copied().collect();
        let standings = changes::list_standings(cx.db, me, self.only.then_some(&named[..]))?;
        let known: BTreeSet<ConversationId> = standings.iter().map(|standing| standing.id).collect();
        let (number, mine, is_whole) = self.mine(me, knows_epoch, cx)?;
        let left: Vec<ConversationId> = named.into_iter().filter(|id| !known.contains(id)).collect();
        let mut answer =
            Answer { bytes: FRAME + wire::json(&mine).len() + wire::json(&left).len(), ..Answer::default() };
        let mut due = Vec::new();
        for standing in standings {
            let held = self.conversations.get(&standing.id).map(|held| held.get()).filter(|_| knows_epoch);
            let position = match held {
                Some(held) if held == standing.rev.get() => continue,
                Some(held) if (1..standing.rev.get()).contains(&held) => Some(Rev::new(held)),
                // A conversation the list does not show begins when something
                // happens in it.
                None if !standing.is_shown && !self.conversations.contains_key(&standing.id) => continue,
                _ => None,
            };
            due.push(Due { standing, position });
        }
        let is_all = answer.fill(me, &due, cx)?;
        Ok(Outcome::quiet(Changes {
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

    /// The caller's own changes, the number they lead to, and whether those
    /// are all.
    fn mine(&self, me: UserId, knows_epoch: bool, cx: &mut Cx) -> Result<(i64, Mine, bool)> {
        let last = users::get_me(cx.db, me)?;
        let held = self.me.map(Position::get).filter(|held| knows_epoch && *held <= last);
        let from = held.unwrap_or(0);
        let limit = MAX_OWN as i64 + 1;
        let blocks = changes::list_blocks_after(cx.db, me, from, limit)?;
        let contacts = changes::list_contacts_after(cx.db, me, from, limit)?;
        let places = positions::list_own_places(cx.db, me, from, limit)?;
        let hidden = messages::list_hidden_after(cx.db, me, from, limit)?;
        let ties = blocks.iter().chain(&contacts).map(|tie| tie.me);
        let rest = places.iter().map(|place| place.me).chain(hidden.iter().map(|hidden| hidden.me));
        let mut numbers: Vec<i64> = ties.chain(rest).collect();
        numbers.sort_unstable();
        // Cut all of them at the same number, so that the rest is what comes
        // after it.
        let cut = numbers.get(MAX_OWN - 1).copied().filter(|_| numbers.len() > MAX_OWN).unwrap_or(last);
        let ties = |ties: Vec<Tie>| {
            let shown = ties.into_iter().filter(|tie| tie.me <= cut && (held.is_some() || !tie.removed));
            shown.map(|tie| TieView { user_id: tie.user_id, removed: tie.removed }).collect()
        };
        let mine = Mine {
            reset: held.is_none(),
            blocks: ties(blocks),
            contacts: ties(contacts),
            conversations: places
                .into_iter()
                .filter(|place| place.me <= cut)
                .map(|place| OwnPlaceView {
                    id: place.conversation_id,
                    cleared_seq: place.cleared_seq,
                    visible_from_seq: place.visible_from_seq,
                    read_seq: place.read_seq,
                })
                .collect(),
            hidden: hidden.into_iter().filter(|hidden| hidden.me <= cut).map(|hidden| hidden.message_id).collect(),
        };
        Ok((cut, mine, cut == last))
    }
}

/// A conversation of which the client has not everything.
struct Due {
    standing: Standing,
    /// What it has; none: the conversation comes anew.
    position: Option<Rev>,
}

impl Due {
    /// How many messages to load, from the end of the conversation: no more can
    /// have changed than revs were taken. Anew, it has so many of the `newest`.
    fn wanted(&self, newest: usize) -> usize {
        match self.position {
            Some(position) => MAX_CHANGES.min(self.standing.rev.get() - position.get()) as usize,
            None => newest.min(self.standing.last_seq.get() as usize),
        }
    }

    /// What to tell, with room for so many messages.
    fn tell(&self, rows: Rows, room: usize, newest: usize) -> ChangedConversation {
        let Rows { conversation, mut participants, mut messages } = rows;
        let (id, mut rev) = (self.standing.id, self.standing.rev);
        let own = &conversation.own;
        messages.retain(|message| message.seq >= own.visible_from_seq && message.seq > own.cleared_seq);
        let is_new = |message: &&MessageView| self.position.is_some_and(|position| message.rev > position);
        let changes = participants.len() + messages.iter().filter(is_new).count();
        let reset = self.position.is_none() || changes > MAX_MESSAGES;
        if reset {
            participants.clear();
            messages.sort_unstable_by_key(|message| message.seq);
            messages.drain(..messages.len().saturating_sub(newest));
        } else {
            messages.retain(|message| is_new(&message));
            messages.sort_unstable_by_key(|message| message.rev);
            // Everything up to the last message that fits; then the client
            // asks again from there.
            if let Some(first_left_out) = messages.get(room) {
                rev = Rev::new(first_left_out.rev.get() - 1);
                messages.truncate(room);
                participants.retain(|row| row.rev <= rev);
            }
        }
        ChangedConversation { id, rev, reset, conversation, participants, messages }
    }
}

/// What the store has of one conversation that is due.
struct Rows {
    conversation: OwnConversationView,
    participants: Vec<ParticipantView>,
    messages: Vec<MessageView>,
}

/// How many to load at once: 100 at most, and while they cannot have more
/// changes than there is room for.
fn next_batch(due: &[Due], room: usize, newest: usize) -> usize {
    let mut wanted = 0;
    let fits = |due: &&Due| {
        wanted += due.wanted(newest);
        wanted <= room
    };
    due.iter().take(MAX_BATCH).take_while(fits).count().max(1)
}

/// What telling of these may need, in the same order, by the same few queries
/// however many they are.
fn load(me: UserId, batch: &[Due], newest: usize, cx: &mut Cx) -> Result<Vec<Rows>> {
    let ids: Vec<ConversationId> = batch.iter().map(|due| due.standing.id).collect();
    let rows = conversations::list_with_places(cx.db, me, &ids)?;
    let views = present::own_conversations(cx.db, me, rows)?;
    let mut views: HashMap<ConversationId, OwnConversationView> =
        views.into_iter().map(|view| (view.shared.id, view)).collect();

    let end = |due: &Due| {
        let before = due.standing.last_seq.get() - due.wanted(newest) as i64;
        (due.standing.id, Seq::new(before.max(0) + 1))
    };
    let ends: Vec<(ConversationId, Seq)> = batch.iter().map(end).collect();
    let since: Vec<Since> = batch.iter().filter_map(|due| Some((due.standing.id, due.position?))).collect();
    let mut found = messages::list_from(cx.db, me, &ends)?;
    found.extend(changes::list_changed_messages(cx.db, me, &since, MAX_CHANGES)?);
    found.sort_unstable_by_key(|message| message.id);
    found.dedup_by_key(|message| message.id);
    let mut messages = by_conversation(present::history(cx.db, found)?, |message| message.conversation_id);
    let changed = changes::list_changed_participants(cx.db, &since, MAX_CHANGES)?;
    let mut participants = by_conversation(changed, |row| row.conversation_id);
    let rows = |id| {
        Ok(Rows {
            conversation: views.remove(&id).ok_or_else(|| Error::bug("a snapshot does not change"))?,
            participants: participants.remove(&id).unwrap_or_default().into_iter().map(present::participant).collect(),
            messages: messages.remove(&id).unwrap_or_default(),
        })
    };
    ids.into_iter().map(rows).collect()
}

/// An answer in the making.
#[derive(Default)]
struct Answer {
    conversations: Vec<Box<RawValue>>,
    messages: usize,
    bytes: usize,
    /// What came anew took what room was left beside those to come.
    is_full: bool,
}

impl Answer {
    /// Takes what fits, and returns whether that is all.
    fn fill(&mut self, me: UserId, mut due: &[Due], cx: &mut Cx) -> Result<bool> {
        while !due.is_empty() {
            let (room, newest) = self.room();
            let (batch, rest) = due.split_at(next_batch(due, room, newest));
            for (at, (one, rows)) in batch.iter().zip(load(me, batch, newest, cx)?).enumerate() {
                if !self.add(one, rows, due.len() - at - 1)? {
                    return Ok(false);
                }
            }
            due = rest;
        }
        Ok(true)
    }

    /// Messages that still fit, and how many of those a conversation anew has.
    fn room(&self) -> (usize, usize) {
        let room = MAX_MESSAGES - self.messages;
        (room, if self.is_full { 0 } else { RESET_MESSAGES.min(room) })
    }

    /// False when not all of the conversation's changes fitted in.
    fn add(&mut self, due: &Due, rows: Rows, others: usize) -> Result<bool> {
        if self.conversations.len() == MAX_CONVERSATIONS || self.bytes >= MAX_BYTES {
            return Ok(false);
        }
        let (room, newest) = self.room();
        let left = MAX_BYTES - self.bytes;
        let for_others = others.min(MAX_CONVERSATIONS - self.conversations.len()) * BYTES_FOR_OTHERS;
        let mut piece = due.tell(rows, room, newest);
        let spare = if piece.reset { left.saturating_sub(for_others) } else { left };
        // The first of an answer comes however large it is, so that asking
        // again leads somewhere.
        let is_first = self.conversations.is_empty();
        let mut json = wire::json(&piece);
        if json.len() > spare && !piece.messages.is_empty() {
            self.is_full |= piece.reset;
            piece.cut(json.len() - spare, usize::from(is_first && !piece.reset));
            json = wire::json(&piece);
        }
        let leads_on = piece.reset || due.position != Some(piece.rev);
        if !leads_on || (json.len() > left && !is_first) {
            return Ok(false);
        }
        // And a comma.
        self.bytes += json.len() + 1;
        self.messages += piece.messages.len();
        self.conversations.push(RawValue::from_string(json).map_err(|error| Error::Internal(error.into()))?);
        Ok(piece.rev == due.standing.rev)
    }
}

impl ChangedConversation {
    /// Leaves out at least so many bytes of messages, if there are so many: of
    /// a conversation anew the oldest, of changes the last, and then it leads
    /// less far. Keeps `at_least` messages.
    fn cut(&mut self, bytes: usize, at_least: usize) {
        let mut to_cut = bytes;
        let mut is_to_go = |message: &MessageView| {
            let goes = to_cut > 0;
            to_cut = to_cut.saturating_sub(wire::json(message).len() + 1);
            goes
        };
        if self.reset {
            let goes = self.messages.iter().take_while(|message| is_to_go(message)).count();
            self.messages.drain(..goes);
            return;
        }
        let goes = self.messages.iter().rev().take_while(|message| is_to_go(message)).count();
        let kept = (self.messages.len() - goes).max(at_least);
        if let Some(first_left_out) = self.messages.get(kept) {
            self.rev = Rev::new(first_left_out.rev.get() - 1);
            self.messages.truncate(kept);
            self.participants.retain(|row| row.rev <= self.rev);
        }
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
            let told = sync(json).unwrap_err();
            assert!(told.detail().contains(key), "{json}: {}", told.detail());
        }
    }

    #[test]
    fn what_is_loaded_at_once_has_no_more_changes_than_fit() {
        let due = |behind: i64, last_seq: i64| Due {
            standing: Standing {
                id: ConversationId::new(1),
                last_seq: Seq::new(last_seq),
                rev: Rev::new(1_000),
                is_shown: true,
            },
            position: (behind < 1_000).then(|| Rev::new(1_000 - behind)),
        };
        let many = |behind, last_seq| (0..1_000).map(|_| due(behind, last_seq)).collect::<Vec<_>>();
        for (what, due, newest, expected) in [
            ("few changes", many(1, 1), 50, 100),
            ("ten each", many(10, 900), 50, 50),
            ("many changes and few messages", many(300, 1), 50, 1),
            ("too many changes", many(999, 900), 50, 1),
            ("anew", many(1_000, 900), 50, 10),
            ("anew with few messages", many(1_000, 2), 50, 100),
            ("anew without messages", many(1_000, 900), 0, 100),
        ] {
            assert_eq!(next_batch(&due, MAX_MESSAGES, newest), expected, "{what}");
        }
    }

    #[test]
    fn as_many_positions_as_allowed_pass_and_one_more_does_not() {
        let with = |count: i64| Sync {
            conversations: (1..=count).map(|id| (ConversationId::new(id), Position::new(1))).collect(),
            ..Sync::default()
        };
        assert!(with(2_000).check().is_ok());
        assert!(with(2_001).check().is_err());
    }
}
