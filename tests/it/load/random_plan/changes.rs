//! Changes of messages in a plan, with the expected result of each, computed from the tables before
//! the change.

use super::plan::Action;
use super::rows::{MessageRow, ParticipantRow, Rows};
use super::world::World;
use crate::harness::{ask_by_rest, ask_by_socket};
use crate::load::random::Random;
use serde_json::{Value, json};

const EMOJI: [&str; 3] = ["👍", "❤️", "🎉"];

/// The requested change.
struct Change {
    user_id: i64,
    message: MessageRow,
    kind: Kind,
}

enum Kind {
    Edit { content: String },
    DeleteForEveryone,
    DeleteForMe,
    React { emoji: &'static str, on: bool },
}

impl Change {
    fn frame(&self) -> (&'static str, Value) {
        let id = self.message.id;
        match &self.kind {
            Kind::Edit { content } => ("edit_message", json!({"message_id": id, "content": content})),
            Kind::DeleteForEveryone => ("delete_message", json!({"message_id": id, "for": "everyone"})),
            Kind::DeleteForMe => ("delete_message", json!({"message_id": id, "for": "me"})),
            Kind::React { emoji, on } => ("react", json!({"message_id": id, "emoji": emoji, "on": on})),
        }
    }

    /// The reason why the change must be refused, if any.
    fn refusal(&self, rows: &Rows, row: &MessageRow) -> Option<&'static str> {
        let is_mine = row.sender_id == self.user_id;
        let is_blocked = rows.is_blocked_in(rows.conversation(row.conversation_id));
        match self.kind {
            _ if !rows.may_see(self.user_id, row) => Some("not_found"),
            Kind::Edit { .. } | Kind::React { .. } if row.is_deleted => Some("conflict"),
            Kind::Edit { .. } | Kind::DeleteForEveryone if !is_mine => Some("forbidden"),
            Kind::Edit { .. } | Kind::React { .. } if is_blocked => Some("forbidden"),
            _ => None,
        }
    }

    /// Applies the change to the rows.
    fn apply(&self, rows: &mut Rows) {
        let Rows { conversations, messages, hidden, changed, .. } = rows;
        let row = messages.iter_mut().find(|row| row.id == self.message.id).expect("the row is known");
        let before = row.clone();
        match &self.kind {
            Kind::Edit { content } if row.content != *content => {
                row.content.clone_from(content);
                row.is_edited = true;
            }
            Kind::Edit { .. } => {}
            Kind::DeleteForEveryone => {
                row.content.clear();
                row.reactions.clear();
                row.is_deleted = true;
            }
            Kind::DeleteForMe => drop(hidden.insert((self.user_id, row.id))),
            Kind::React { emoji, on: true } => drop(row.reactions.insert(((*emoji).to_owned(), self.user_id))),
            Kind::React { emoji, on: false } => drop(row.reactions.remove(&((*emoji).to_owned(), self.user_id))),
        }
        if *row != before {
            let conversation = conversations.iter_mut().find(|other| other.id == row.conversation_id);
            let conversation = conversation.expect("the row is known");
            conversation.rev += 1;
            row.rev = conversation.rev;
            changed.insert(row.id);
        }
    }
}

impl World {
    /// Picks a message that the device shows, which may be gone by now.
    pub async fn change(&mut self, at: usize, action: Action, random: &mut Random) {
        let device = &mut self.devices[at];
        let user_id = device.user.id;
        let only_mine = matches!(action, Action::Edit | Action::DeleteForEveryone) && random.below(4) > 0;
        let shown: Vec<MessageRow> =
            device.shown().into_iter().filter(|row| !only_mine || row.sender_id == user_id).collect();
        let Some(message) = random.pick(&shown).cloned() else { return };
        let kind = match action {
            Action::Edit if random.below(6) == 0 && !message.content.is_empty() => {
                Kind::Edit { content: message.content.clone() }
            }
            Action::Edit => Kind::Edit { content: format!("{} by {user_id}", message.client_message_id) },
            Action::DeleteForEveryone => Kind::DeleteForEveryone,
            Action::DeleteForMe => Kind::DeleteForMe,
            _ => Kind::React { emoji: EMOJI[random.below(EMOJI.len())], on: random.below(3) > 0 },
        };
        let change = Change { user_id, message, kind };
        let mut expected = self.tables.look();
        let row = expected.messages.iter().find(|row| row.id == change.message.id).expect("it was shown");
        let refusal = change.refusal(&expected, row);
        let (frame, body) = change.frame();
        let answer = match device.socket().filter(|_| random.below(2) == 0) {
            Some(socket) => ask_by_socket(socket, frame, body).await,
            None => ask_by_rest(&device.user, frame, body).await,
        };
        assert_eq!(answer["code"].as_str(), refusal, "{} asks for {:?}: {answer}", device.name, change.frame());
        match refusal {
            Some(_) => self.counts.refused_changes += 1,
            None => {
                self.counts.changes += 1;
                change.apply(&mut expected);
                self.note_change(at, &change, &answer, &expected);
            }
        }
        let rows = self.tables.look();
        assert_eq!(
            (&rows.messages, &rows.hidden),
            (&expected.messages, &expected.hidden),
            "after {:?}",
            change.frame()
        );
        assert_eq!(rows.changed, expected.changed, "after {:?}", change.frame());
    }

    fn note_change(&mut self, at: usize, change: &Change, answer: &Value, expected: &Rows) {
        let row = expected.messages.iter().find(|row| row.id == change.message.id).expect("the row is known");
        self.ledger.change(row);
        if answer["message"].is_object() {
            assert_eq!(MessageRow::from_json(&answer["message"]), *row, "after {:?}", change.frame());
            self.order.note(&answer["message"]);
            self.devices[at].model.apply_ack(&answer["message"]);
        }
    }

    /// Picks a conversation that the device knows, which its user may have left.
    pub async fn clear(&mut self, at: usize, random: &mut Random) {
        let device = &self.devices[at];
        let known: Vec<i64> = device.model.conversations.keys().copied().collect();
        let Some(id) = random.pick(&known).copied() else { return };
        let mut expected = self.tables.look();
        let last = expected.conversation(id).last_seq;
        let is_own = |row: &&mut ParticipantRow| (row.conversation_id, row.user_id) == (id, device.user.id);
        let participant = expected.participants.iter_mut().find(is_own).filter(|row| row.role.is_some());
        let status = if participant.is_some() { 204 } else { 404 };
        if let Some(participant) = participant {
            (participant.cleared_seq, participant.own_read_seq) = (last, last);
        }
        device.user.delete(&format!("/api/conversations/{id}")).await.is(status);
        let rows = self.tables.look();
        assert_eq!(rows.participants, expected.participants, "{} clears {id}", device.name);
        assert_eq!(rows.conversations, expected.conversations, "the conversations do not change");
    }
}
