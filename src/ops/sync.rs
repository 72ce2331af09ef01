//! `sync` and `POST /api/sync`: everything a client does not have yet, from
//! one snapshot, in bounded portions.
//!
//! A client tells the position it has of each conversation. What changed since
//! comes row by row; where the position is unknown, ahead, or too far behind,
//! the conversation comes anew (`reset`) with its newest messages. Nothing is
//! decided by a clock.

use super::{Access, Cx, Op, Outcome, present};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MAX_ID, MessageId, Rev, UserId};
use crate::store::changes::{self, Tie};
use crate::store::conversations::{self, Conversation, Place};
use crate::store::messages::{self, Window};
use crate::store::{positions, users};
use crate::wire::{self, MessageView, OwnConversationView, OwnPlaceView, ParticipantView, TieView};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// Positions one request may tell.
const MAX_HELD: usize = 2_000;
/// Of one answer.
const MAX_MESSAGES: usize = 500;
const MAX_CONVERSATIONS: usize = 1_000;
const MAX_BYTES: usize = 1 << 20;
/// Newest messages that come with a conversation anew.
const RESET_MESSAGES: i64 = 50;
/// Rows of one's own (blocks, contacts, places) in one answer.
const MAX_OWN: usize = 1_000;
/// What stands around it: keys, numbers, the `ack` of a socket.
const FRAME: usize = 512;
/// Room kept for each conversation that is still to come, so that a client's
/// first answer names all of them before it holds much of any.
const BYTES_FOR_OTHERS: usize = 700;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sync {
    /// Another epoch than the hub's: what the client holds counts for nothing.
    pub epoch: Option<String>,
    pub me: Option<i64>,
    pub conversations: BTreeMap<ConversationId, i64>,
    /// Speak of the named conversations alone.
    pub only: bool,
}

#[derive(Debug, Serialize)]
pub struct Changes {
    pub epoch: String,
    /// False: apply, then ask again.
    pub complete: bool,
    pub me: i64,
    pub mine: Mine,
    pub conversations: Vec<Box<RawValue>>,
    /// Asked for, and not the caller's to see.
    pub left: Vec<ConversationId>,
}

/// What the caller alone sees.
#[derive(Debug, Serialize)]
pub struct Mine {
    pub reset: bool,
    pub blocks: Vec<TieView>,
    pub contacts: Vec<TieView>,
    pub conversations: Vec<OwnPlaceView>,
    /// Messages hidden for oneself: none in this version.
    pub hidden: Vec<MessageId>,
}

#[derive(Serialize)]
struct ChangedConversation {
    id: ConversationId,
    /// The client's position once it applied this.
    rev: Rev,
    reset: bool,
    conversation: OwnConversationView,
    participants: Vec<ParticipantView>,
    messages: Vec<MessageView>,
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
        for standing in &standings {
            let held = self.conversations.get(&standing.id).copied().filter(|_| knows_epoch);
            let position = match held {
                Some(held) if held == standing.rev.get() => continue,
                Some(held) if (1..standing.rev.get()).contains(&held) => Some(Rev::new(held)),
                // A conversation the list does not show begins when something
                // happens in it.
                None if !standing.is_shown && !self.conversations.contains_key(&standing.id) => continue,
                _ => None,
            };
            answer.due.push((standing.id, position));
        }
        answer.fill(me, cx)?;
        Ok(Outcome::quiet(Changes {
            epoch: cx.epoch.to_owned(),
            complete: answer.due.is_empty() && is_whole,
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
        let in_bounds = |number: &i64| (0..=MAX_ID).contains(number);
        if !self.conversations.values().all(in_bounds) {
            return Err(Error::Invalid("conversations must have positions from 0 to 2^53-1".into()));
        }
        if !self.me.iter().all(in_bounds) {
            return Err(Error::Invalid("me must be from 0 to 2^53-1".into()));
        }
        Ok(())
    }

    /// The caller's own changes, the number they lead to, and whether those
    /// are all.
    fn mine(&self, me: UserId, knows_epoch: bool, cx: &mut Cx) -> Result<(i64, Mine, bool)> {
        let last = users::get_me(cx.db, me)?;
        let held = self.me.filter(|held| knows_epoch && *held <= last);
        let from = held.unwrap_or(0);
        let limit = MAX_OWN as i64 + 1;
        let blocks = changes::list_blocks_after(cx.db, me, from, limit)?;
        let contacts = changes::list_contacts_after(cx.db, me, from, limit)?;
        let places = positions::list_own_places(cx.db, me, from, limit)?;
        let numbers = blocks.iter().chain(&contacts).map(|tie| tie.me).chain(places.iter().map(|place| place.me));
        let mut numbers: Vec<i64> = numbers.collect();
        numbers.sort_unstable();
        // Cut all three at the same number, so that the rest is what comes
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
            hidden: Vec::new(),
        };
        Ok((cut, mine, cut == last))
    }
}

/// An answer in the making.
#[derive(Default)]
struct Answer {
    /// What is still to come: conversations, and the position the client has.
    due: Vec<(ConversationId, Option<Rev>)>,
    conversations: Vec<Box<RawValue>>,
    messages: usize,
    bytes: usize,
}

impl Answer {
    /// Takes from `due` what fits.
    fn fill(&mut self, me: UserId, cx: &mut Cx) -> Result<()> {
        let mut due = std::mem::take(&mut self.due).into_iter();
        while let Some((id, position)) = due.next() {
            if self.conversations.len() == MAX_CONVERSATIONS || self.bytes >= MAX_BYTES {
                self.due.push((id, position));
                break;
            }
            let others = due.len().min(MAX_CONVERSATIONS - self.conversations.len());
            let is_whole = self.add(me, id, position, others, cx)?;
            if !is_whole {
                self.due.push((id, position));
                break;
            }
        }
        self.due.extend(due);
        Ok(())
    }

    /// False when not all of the conversation's changes fitted in.
    fn add(
        &mut self,
        me: UserId,
        id: ConversationId,
        position: Option<Rev>,
        others: usize,
        cx: &mut Cx,
    ) -> Result<bool> {
        let (row, place) = conversations::get_with_place(cx.db, me, id)?;
        let last_rev = row.rev;
        let room = MAX_MESSAGES - self.messages;
        let left = MAX_BYTES.saturating_sub(self.bytes);
        let changed = match position {
            Some(rev) => find_changed(&row, &place, rev, room, cx)?,
            None => None,
        };
        let (changed, spare) = match changed {
            Some(changed) => (changed, left),
            None => {
                let spare = left.saturating_sub(others * BYTES_FOR_OTHERS);
                let newest = if spare > 0 { RESET_MESSAGES.min(room as i64) } else { 0 };
                (Changed::anew(&row, &place, newest, cx)?, spare)
            }
        };
        // The first of an answer comes however large it is, so that asking
        // again leads somewhere.
        let is_first = self.conversations.is_empty();
        let mut piece = present_changed(me, row, place, changed, cx)?;
        let mut json = wire::json(&piece);
        if json.len() > spare {
            piece.cut(json.len() - spare, usize::from(is_first && !piece.reset));
            json = wire::json(&piece);
        }
        let leads_on = piece.reset || position != Some(piece.rev);
        if !leads_on || (json.len() > left && !is_first) {
            return Ok(false);
        }
        // And a comma.
        self.bytes += json.len() + 1;
        self.messages += piece.messages.len();
        self.conversations.push(RawValue::from_string(json).map_err(|error| Error::Internal(error.into()))?);
        Ok(piece.rev == last_rev)
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

fn present_changed(
    me: UserId,
    row: Conversation,
    place: Place,
    changed: Changed,
    cx: &mut Cx,
) -> Result<ChangedConversation> {
    let messages = present::history(cx.db, &row, changed.messages)?;
    let id = row.id;
    let conversation = present::own_conversations(cx.db, me, vec![(row, place)])?.pop();
    Ok(ChangedConversation {
        id,
        rev: changed.rev,
        reset: changed.is_reset,
        conversation: conversation.ok_or_else(|| Error::bug("one row in, one view out"))?,
        participants: changed.participants,
        messages,
    })
}

/// The rows to send of one conversation.
struct Changed {
    rev: Rev,
    is_reset: bool,
    participants: Vec<ParticipantView>,
    messages: Vec<messages::Message>,
}

impl Changed {
    /// The conversation from the beginning: its newest messages, and all that
    /// `conversation` itself says.
    fn anew(row: &Conversation, place: &Place, newest: i64, cx: &mut Cx) -> Result<Self> {
        let window = Window { from: place.first_visible(), to: row.last_seq, limit: newest, newest: true };
        let messages = if newest > 0 { messages::list_messages(cx.db, row.id, window)? } else { Vec::new() };
        Ok(Self { rev: row.rev, is_reset: true, participants: Vec::new(), messages })
    }
}

/// Rows that changed after `rev`, cut where `room` ends; none when they are
/// so many that the conversation had better come anew.
fn find_changed(row: &Conversation, place: &Place, rev: Rev, room: usize, cx: &mut Cx) -> Result<Option<Changed>> {
    let limit = MAX_MESSAGES as i64 + 1;
    let messages = changes::list_messages_after(cx.db, row, place.first_visible(), rev, limit)?;
    let participants = changes::list_participants_after(cx.db, row.id, rev, limit)?;
    if messages.len() + participants.len() > MAX_MESSAGES {
        return Ok(None);
    }
    // Everything up to the last message that fits; then the client asks again
    // from there.
    let upto = match messages.get(room) {
        Some(first_left_out) => Rev::new(first_left_out.rev.get() - 1),
        None => row.rev,
    };
    Ok(Some(Changed {
        rev: upto,
        is_reset: false,
        participants: participants.into_iter().filter(|row| row.rev <= upto).map(present::participant).collect(),
        messages: messages.into_iter().filter(|message| message.rev <= upto).collect(),
    }))
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
    fn as_many_positions_as_allowed_pass_and_one_more_does_not() {
        let with = |count: i64| Sync {
            conversations: (1..=count).map(|id| (ConversationId::new(id), 1)).collect(),
            ..Sync::default()
        };
        assert!(with(2_000).check().is_ok());
        assert!(with(2_001).check().is_err());
    }
}
