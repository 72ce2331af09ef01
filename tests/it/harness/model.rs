//! A client as the protocol document describes it: pure state that applies frames and `sync`
//! answers. It does no I/O and reads no clock, so its state follows from the protocol's rules
//! alone.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    epoch: Option<String>,
    me: Option<i64>,
    pub blocks: BTreeSet<i64>,
    pub contacts: BTreeSet<i64>,
    pub conversations: BTreeMap<i64, Held>,
    /// The user's own position where it is not shared, also in conversations that come with a later
    /// answer.
    own_read: BTreeMap<i64, i64>,
    /// The position up to which each conversation was cleared, also in conversations that come
    /// later.
    cleared: BTreeMap<i64, i64>,
    /// Messages that the user deleted for themselves.
    hidden: BTreeSet<i64>,
    /// Frames that are further ahead, or came while a sync was in flight.
    kept: Vec<Value>,
    /// The number of buffered frames that came before the last request: the answer includes them.
    asked_with: usize,
    is_syncing: bool,
    needs_sync: bool,
}

/// A conversation as the client has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    pub rev: i64,
    pub title: Value,
    /// The client has messages from this `seq` on; older ones come from history.
    from: i64,
    /// Messages by `seq`, also those that are not shown.
    messages: BTreeMap<i64, Value>,
    /// Participants by user, also those who left.
    participants: BTreeMap<i64, Value>,
}

fn number(value: &Value, key: &str) -> i64 {
    value[key].as_i64().unwrap_or_else(|| panic!("{key} is a number: {value}"))
}

fn rows<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// The user is no longer in the conversation.
fn is_gone(frame: &Value) -> bool {
    frame["type"] == "conversation_update" && frame["conversation"].is_null()
}

/// Stores a row, unless a newer one is there.
fn put(rows: &mut BTreeMap<i64, Value>, at: i64, row: &Value) {
    let is_older = rows.get(&at).is_some_and(|known| number(known, "rev") > number(row, "rev"));
    if !is_older {
        rows.insert(at, row.clone());
    }
}

impl Held {
    /// Applies a message, also a change of an older one, which history returns in its current form.
    fn put_message(&mut self, row: &Value) {
        let seq = number(row, "seq");
        if seq >= self.from {
            put(&mut self.messages, seq, row);
        }
    }

    /// Applies the `conversation` row alone: the user's own view may begin later by now.
    fn describe(&mut self, conversation: &Value) {
        self.title = conversation["title"].clone();
        if let Some(seq) = conversation["visible_from_seq"].as_i64() {
            self.from = self.from.max(seq);
            self.messages = self.messages.split_off(&seq);
        }
    }

    fn put_rows(&mut self, from: &Value) {
        rows(from, "messages").iter().for_each(|row| self.put_message(row));
        rows(from, "participants").iter().for_each(|row| put(&mut self.participants, number(row, "user_id"), row));
    }

    /// Resets the model to its initial state.
    fn reset(&mut self, reset: &Value) {
        *self = Self::default();
        let conversation = &reset["conversation"];
        let last = Some(&conversation["last_message"]).filter(|last| last.is_object());
        rows(reset, "messages").iter().chain(last).for_each(|row| self.put_message(row));
        self.from = self.messages.keys().next().copied().unwrap_or(number(conversation, "last_seq") + 1);
        self.put_rows(conversation);
    }

    /// Applies a frame with the next `rev`.
    fn apply(&mut self, frame: &Value) {
        self.rev = number(frame, "rev");
        match frame["type"].as_str() {
            Some("private_message" | "message_edited" | "message_deleted" | "message_reaction") => {
                self.put_message(&frame["message"]);
            }
            Some("conversation_update") => {
                self.describe(&frame["conversation"]);
                self.put_rows(&frame["conversation"]);
            }
            Some("skip") => {}
            Some(kind) => {
                let user_id = number(frame, "user_id");
                let row = self.participants.get_mut(&user_id).unwrap_or_else(|| panic!("{user_id} is known: {frame}"));
                let seq = number(frame, "seq");
                row["rev"] = json!(number(row, "rev").max(self.rev));
                let is_read = kind != "message_delivered";
                for key in ["delivered_seq", "read_seq"].into_iter().take(if is_read { 2 } else { 1 }) {
                    row[key] = json!(number(row, key).max(seq));
                }
            }
            None => panic!("a frame has a type: {frame}"),
        }
    }

    /// The members, by user.
    pub fn members(&self) -> BTreeMap<i64, &Value> {
        let members = self.participants.iter().filter(|(_, row)| !row["role"].is_null());
        members.map(|(user_id, row)| (*user_id, row)).collect()
    }
}

impl Model {
    /// Whether a sync is due.
    pub fn wants_sync(&self) -> bool {
        self.needs_sync && !self.is_syncing
    }

    pub fn is_syncing(&self) -> bool {
        self.is_syncing
    }

    /// Whether no sync is needed and none is in flight.
    pub fn is_at_rest(&self) -> bool {
        !self.needs_sync && !self.is_syncing
    }

    /// The sync request of a client that has just connected, or needs to sync.
    pub fn ask(&mut self) -> Value {
        (self.is_syncing, self.needs_sync, self.asked_with) = (true, false, self.kept.len());
        let held = self.conversations.iter().map(|(id, held)| (*id, held.rev));
        // The request names the conversation, because a cleared one is not returned otherwise.
        let ids = self.kept.iter().filter_map(|frame| frame["conversation_id"].as_i64());
        let unknown = ids.filter(|id| !self.conversations.contains_key(id)).map(|id| (id, 0));
        let held: BTreeMap<String, i64> = held.chain(unknown).map(|(id, rev)| (id.to_string(), rev)).collect();
        json!({"epoch": self.epoch, "me": self.me, "conversations": held})
    }

    /// Drops a request that was lost with its connection.
    pub fn disconnect(&mut self) {
        (self.is_syncing, self.needs_sync) = (false, false);
        self.kept.clear();
    }

    pub fn frame(&mut self, frame: &Value) {
        if frame["type"] == "system" && frame["event"] == "resync" {
            self.needs_sync = true;
        } else if self.is_syncing {
            self.kept.push(frame.clone());
        } else if frame["type"] == "me_update" {
            self.own(frame);
        } else if frame.get("rev").is_some() {
            let (id, rev) = (number(frame, "conversation_id"), number(frame, "rev"));
            match self.conversations.get_mut(&id) {
                None if is_gone(frame) => {}
                Some(held) if is_gone(frame) && rev > held.rev => self.forget(id),
                Some(held) if rev == held.rev + 1 => held.apply(frame),
                Some(held) if rev <= held.rev => {}
                _ => {
                    self.kept.push(frame.clone());
                    self.needs_sync = true;
                }
            }
        }
    }

    fn forget(&mut self, id: i64) {
        self.conversations.remove(&id);
        self.own_read.remove(&id);
        self.cleared.remove(&id);
    }

    fn own(&mut self, update: &Value) {
        let me = number(update, "me");
        match self.me {
            Some(known) if me <= known => {}
            Some(known) if me == known + 1 => {
                self.me = Some(me);
                self.put_own(update);
            }
            _ => self.needs_sync = true,
        }
    }

    fn put_own(&mut self, from: &Value) {
        for (relations, key) in [(&mut self.blocks, "blocks"), (&mut self.contacts, "contacts")] {
            for relation in rows(from, key) {
                let id = number(relation, "user_id");
                match relation["removed"] == true {
                    true => relations.remove(&id),
                    false => relations.insert(id),
                };
            }
        }
        for own_state in rows(from, "conversations") {
            for (kept, key) in [(&mut self.own_read, "read_seq"), (&mut self.cleared, "cleared_seq")] {
                let seq = kept.entry(number(own_state, "id")).or_default();
                *seq = number(own_state, key).max(*seq);
            }
        }
        self.hidden.extend(rows(from, "hidden").iter().map(|id| id.as_i64().expect("an id")));
    }

    /// Applies a message from an ack, which does not move the position.
    pub fn apply_ack(&mut self, message: &Value) {
        if let Some(held) = self.conversations.get_mut(&number(message, "conversation_id")) {
            held.put_message(message);
        }
    }

    /// Whether the model holds a message that was not cleared, including hidden ones.
    pub fn has_messages(&self, id: i64) -> bool {
        let after = self.cleared.get(&id).copied().unwrap_or(0) + 1;
        self.conversations[&id].messages.range(after..).next().is_some()
    }

    /// The messages that are held and shown, by `seq`.
    pub fn shown(&self, id: i64) -> BTreeMap<i64, &Value> {
        let after = self.cleared.get(&id).copied().unwrap_or(0) + 1;
        let held = self.conversations[&id].messages.range(after..);
        held.filter(|(_, message)| !self.hidden.contains(&number(message, "id")))
            .map(|(seq, row)| (*seq, row))
            .collect()
    }

    /// The shown messages of others after the user's own position.
    pub fn unread(&self, id: i64, me: i64) -> usize {
        let held = &self.conversations[&id];
        let shared = held.participants.get(&me).map_or(0, |row| number(row, "read_seq"));
        let after = self.own_read.get(&id).copied().unwrap_or(0).max(shared) + 1;
        let is_news = |message: &&&Value| message["sender_id"] != me && message["deleted_at"].is_null();
        self.shown(id).range(after..).map(|(_, message)| message).filter(is_news).count()
    }

    /// Applies a `sync` answer; returns false when there is more to request.
    pub fn answer(&mut self, answer: &Value) -> bool {
        if self.epoch.as_deref() != answer["epoch"].as_str() {
            let (kept, asked_with) = (std::mem::take(&mut self.kept), self.asked_with);
            *self = Self { kept, asked_with, ..Self::default() };
            self.epoch = answer["epoch"].as_str().map(str::to_owned);
        }
        for changed in rows(answer, "conversations") {
            let held = self.conversations.entry(number(changed, "id")).or_default();
            if changed["reset"] == true {
                held.reset(changed);
            }
            // Only these two keys hold the changes. The protocol does not promise that
            // `conversation` repeats them while it is small.
            held.put_rows(changed);
            held.describe(&changed["conversation"]);
            held.rev = number(changed, "rev");
        }
        let since = self.kept.split_off(self.asked_with);
        for id in rows(answer, "left") {
            self.forget(id.as_i64().unwrap());
            self.kept.retain(|frame| frame["conversation_id"] != *id);
        }
        self.kept.extend(since);
        if answer["mine"]["reset"] == true {
            self.blocks.clear();
            self.contacts.clear();
            self.own_read.clear();
            self.cleared.clear();
            self.hidden.clear();
        }
        self.me = Some(number(answer, "me"));
        self.put_own(&answer["mine"]);
        self.is_syncing = false;
        if answer["complete"] == false {
            self.needs_sync = true;
            return false;
        }
        // Each buffered frame may be the one that the next waited for.
        let mut kept = std::mem::take(&mut self.kept);
        kept.sort_by_key(|frame| frame["rev"].as_i64().or(frame["me"].as_i64()));
        kept.iter().for_each(|frame| self.frame(frame));
        true
    }
}
