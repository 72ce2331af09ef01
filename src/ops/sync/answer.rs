//! Builds an answer of `sync`: adds one conversation after another until a limit is reached.

use super::cursor::{Cursor, Step};
use crate::error::{Error, Result};
use crate::ids::{ConversationId, Rev, Seq, UserId};
use crate::ops::op::Cx;
use crate::ops::views::{self, by_conversation};
use crate::policy::SyncLimits;
use crate::store::messaging::changes::{self, Since};
use crate::store::messaging::conversations;
use crate::store::messaging::messages::Message;
use crate::wire::{self, MessageView, OwnConversationView, ParticipantView};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// Most conversations loaded at once.
const MAX_BATCH: usize = 100;
/// Bytes reserved for each conversation that is still to come. A client's first answer thus names
/// all conversations before it holds much of any.
const BYTES_FOR_OTHERS: usize = 1_000;

#[derive(Serialize, JsonSchema)]
pub(super) struct ChangedConversation {
    id: ConversationId,
    /// The client's position after it applies this change.
    rev: Rev,
    reset: bool,
    conversation: OwnConversationView,
    participants: Vec<ParticipantView>,
    messages: Vec<MessageView>,
}

/// A conversation with changes that the client lacks.
pub(super) struct Due {
    pub id: ConversationId,
    pub cursor: Cursor,
}

/// The stored rows of one conversation that is due.
struct Rows {
    conversation: OwnConversationView,
    participants: Vec<ParticipantView>,
    /// The visible messages.
    messages: Vec<MessageView>,
    /// How many rows the client missed, including rows that are not visible.
    changes: usize,
}

/// Returns how many conversations to load at once: at most 100, and only while their possible
/// changes fit the remaining room.
fn next_batch(due: &[Due], room: usize, newest: usize, limits: &SyncLimits) -> usize {
    let mut wanted = 0;
    let fits = |due: &&Due| {
        wanted += due.cursor.wanted(newest, limits);
        wanted <= room
    };
    due.iter().take(MAX_BATCH).take_while(fits).count().max(1)
}

/// Loads the rows that the answer may need for these conversations, in the same order. The number
/// of queries does not depend on the number of conversations.
///
/// Each query is cut at one row more than `limits.changes`. When that happens, the batch holds one
/// conversation, and it is sent as a reset.
fn load(me: UserId, batch: &[Due], newest: usize, cx: &mut Cx) -> Result<Vec<Rows>> {
    let limits = cx.rules.sync;
    let most = limits.changes as i64 + 1;
    let ids: Vec<ConversationId> = batch.iter().map(|due| due.id).collect();
    let rows = conversations::list_with_own_state(cx.db, me, &ids)?;
    let first_visible: HashMap<ConversationId, Seq> =
        rows.iter().map(|(row, own_state)| (row.id, own_state.first_visible())).collect();
    let views = views::own_conversations(cx.db, me, rows)?;
    let mut views: HashMap<ConversationId, OwnConversationView> =
        views.into_iter().map(|view| (view.shared.id, view)).collect();

    let cursors: HashMap<ConversationId, Cursor> = batch.iter().map(|due| (due.id, due.cursor)).collect();
    let is_missed = |id: ConversationId, rev: Rev| cursors.get(&id).is_some_and(|cursor| cursor.is_missed(rev));
    let ends: Vec<(ConversationId, Seq)> =
        batch.iter().map(|due| (due.id, due.cursor.first_wanted(newest, &limits))).collect();
    let since: Vec<Since> = batch.iter().filter_map(|due| Some((due.id, due.cursor.position?))).collect();
    let mut found = changes::list_end(cx.db, me, &ends)?;
    found.extend(changes::list_changed_messages(cx.db, me, &since, most)?);
    found.sort_unstable_by_key(|candidate| candidate.message.id);
    found.dedup_by_key(|candidate| candidate.message.id);
    let changed = changes::list_changed_participants(cx.db, &since, most)?;

    let mut missed: HashMap<ConversationId, usize> = HashMap::new();
    let rows = found.iter().map(|candidate| (candidate.message.conversation_id, candidate.message.rev));
    for (id, _) in
        rows.chain(changed.iter().map(|row| (row.conversation_id, row.rev))).filter(|row| is_missed(row.0, row.1))
    {
        *missed.entry(id).or_default() += 1;
    }
    let shows = |message: &Message| first_visible.get(&message.conversation_id).is_some_and(|seq| message.seq >= *seq);
    let shown = found.into_iter().filter(|candidate| !candidate.is_hidden && shows(&candidate.message));
    let shown: Vec<Message> = shown.map(|candidate| candidate.message).collect();
    let mut messages = by_conversation(views::history(cx.db, shown)?, |message| message.conversation_id);
    let mut participants = by_conversation(changed, |row| row.conversation_id);
    let rows = |id| {
        Ok(Rows {
            conversation: views.remove(&id).ok_or_else(|| Error::bug("a snapshot does not change"))?,
            participants: participants.remove(&id).unwrap_or_default().into_iter().map(views::participant).collect(),
            messages: messages.remove(&id).unwrap_or_default(),
            changes: missed.remove(&id).unwrap_or_default(),
        })
    };
    ids.into_iter().map(rows).collect()
}

pub(super) struct Answer<'a> {
    pub conversations: Vec<Box<RawValue>>,
    limits: &'a SyncLimits,
    messages: usize,
    bytes: usize,
    /// Whether resets have used up the room not reserved for later conversations.
    is_full: bool,
}

impl<'a> Answer<'a> {
    /// Starts an answer with this many bytes already used.
    pub fn new(limits: &'a SyncLimits, bytes: usize) -> Self {
        Self { conversations: Vec::new(), limits, messages: 0, bytes, is_full: false }
    }

    /// Adds the conversations that fit, and returns whether all of them did.
    pub fn fill(&mut self, me: UserId, mut due: &[Due], cx: &mut Cx) -> Result<bool> {
        while !due.is_empty() {
            let (room, newest) = self.room();
            let (batch, rest) = due.split_at(next_batch(due, room, newest, self.limits));
            for (at, (one, rows)) in batch.iter().zip(load(me, batch, newest, cx)?).enumerate() {
                if !self.add(one, rows, due.len() - at - 1)? {
                    return Ok(false);
                }
            }
            due = rest;
        }
        Ok(true)
    }

    /// Returns how many messages still fit, and how many of them a reset conversation gets.
    fn room(&self) -> (usize, usize) {
        let room = self.limits.messages - self.messages;
        (room, if self.is_full { 0 } else { self.limits.reset_messages.min(room) })
    }

    /// Adds one conversation. Returns false when not all of its changes fitted.
    fn add(&mut self, due: &Due, rows: Rows, others: usize) -> Result<bool> {
        if self.conversations.len() == self.limits.conversations || self.bytes >= self.limits.bytes {
            return Ok(false);
        }
        let (room, newest) = self.room();
        let left = self.limits.bytes - self.bytes;
        let for_others = others.min(self.limits.conversations - self.conversations.len()) * BYTES_FOR_OTHERS;
        let mut piece = Piece::new(due, rows, room, newest, self.limits);
        let is_reset = piece.step == Step::Reset;
        let spare = if is_reset { left.saturating_sub(for_others) } else { left };
        // The first conversation of an answer is added whatever its size, so that each request
        // makes progress.
        let is_first = self.conversations.is_empty();
        let mut json = wire::json(&piece.changed);
        if json.len() > spare && !piece.changed.messages.is_empty() {
            self.is_full |= is_reset;
            piece.cut(json.len() - spare, usize::from(is_first && !is_reset));
            json = wire::json(&piece.changed);
        }
        if !due.cursor.leads_on(piece.step) || (json.len() > left && !is_first) {
            return Ok(false);
        }
        // The comma counts as well.
        self.bytes += json.len() + 1;
        self.messages += piece.changed.messages.len();
        self.conversations.push(RawValue::from_string(json).map_err(|error| Error::Internal(error.into()))?);
        Ok(due.cursor.is_complete(piece.step))
    }
}

fn revs_of(messages: &[MessageView]) -> Vec<Rev> {
    messages.iter().map(|message| message.rev).collect()
}

/// The part of one conversation in an answer, and the position after it.
struct Piece {
    cursor: Cursor,
    step: Step,
    changed: ChangedConversation,
}

impl Piece {
    fn new(due: &Due, rows: Rows, room: usize, newest: usize, limits: &SyncLimits) -> Self {
        let Rows { conversation, participants, mut messages, changes } = rows;
        let cursor = due.cursor;
        let step = if cursor.needs_reset(changes, limits) {
            // History returns changed messages older than this, along with the messages between.
            let first = cursor.first_wanted(newest, limits);
            messages.retain(|message| message.seq >= first);
            messages.sort_unstable_by_key(|message| message.seq);
            messages.drain(..messages.len().saturating_sub(newest));
            Step::Reset
        } else {
            messages.retain(|message| cursor.is_missed(message.rev));
            messages.sort_unstable_by_key(|message| message.rev);
            cursor.first(&revs_of(&messages), room)
        };
        let changed = ChangedConversation {
            id: due.id,
            rev: cursor.leads_to(step),
            reset: step == Step::Reset,
            conversation,
            participants,
            messages,
        };
        let mut piece = Self { cursor, step, changed };
        piece.take(step);
        piece
    }

    /// Drops everything that is not part of the step.
    fn take(&mut self, step: Step) {
        self.step = step;
        self.changed.rev = self.cursor.leads_to(step);
        match step {
            Step::Reset => self.changed.participants.clear(),
            Step::Changes { messages, rev } => {
                self.changed.messages.truncate(messages);
                self.changed.participants.retain(|row| row.rev <= rev);
            }
        }
    }

    /// Drops at least this many bytes of messages, if there are as many. A reset loses its oldest
    /// messages. Changes lose their last ones, and the position after the answer is then lower.
    /// Keeps `at_least` messages.
    fn cut(&mut self, bytes: usize, at_least: usize) {
        let mut to_cut = bytes;
        let mut is_to_go = |message: &MessageView| {
            let goes = to_cut > 0;
            to_cut = to_cut.saturating_sub(wire::json(message).len() + 1);
            goes
        };
        let messages = &mut self.changed.messages;
        if self.step == Step::Reset {
            let goes = messages.iter().take_while(|message| is_to_go(message)).count();
            messages.drain(..goes);
            return;
        }
        let goes = messages.iter().rev().take_while(|message| is_to_go(message)).count();
        let kept = (messages.len() - goes).max(at_least);
        if kept < messages.len() {
            let step = self.cursor.first(&revs_of(messages), kept);
            self.take(step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::messaging::changes::ConversationHead;

    #[test]
    fn a_batch_has_no_more_changes_than_fit() {
        let due = |behind: i64, last_seq: i64| {
            let id = ConversationId::new(1);
            let head = ConversationHead { id, last_seq: Seq::new(last_seq), rev: Rev::new(1_000), is_shown: true };
            Due { id, cursor: Cursor::new(&head, Some(1_000 - behind), true).unwrap() }
        };
        let many = |behind, last_seq| (0..1_000).map(|_| due(behind, last_seq)).collect::<Vec<_>>();
        for (what, due, newest, expected) in [
            ("few changes", many(1, 1), 50, 100),
            ("ten each", many(10, 900), 50, 50),
            ("many changes and few messages", many(300, 1), 50, 1),
            ("too many changes", many(999, 900), 50, 1),
            ("reset", many(1_000, 900), 50, 10),
            ("reset with few messages", many(1_000, 2), 50, 100),
            ("reset without messages", many(1_000, 900), 0, 100),
        ] {
            assert_eq!(next_batch(&due, 500, newest, &SyncLimits::DEFAULT), expected, "{what}");
        }
    }
}
