//! The messages that users sent, and the answers they received.

use super::rows::MessageRow;
use crate::harness::Reply;
use serde_json::{Value, json};

/// A message that a user retries until there is an answer.
#[derive(Clone, Debug)]
pub struct Draft {
    pub sender_id: i64,
    pub to: To,
    /// Its `client_message_id`.
    pub key: String,
    pub content: String,
    pub attempts: u32,
    pub state: DraftState,
    /// The message in its current form, after a user changed it.
    pub now: Option<MessageRow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The direct conversation with a user, which may not exist yet.
    Person(i64),
    Group(i64),
}

#[derive(Clone, Debug, PartialEq)]
pub enum DraftState {
    /// No answer, or one that leaves the result unknown.
    Open,
    Stored(MessageRow),
    /// Refused with this code.
    Refused(String),
    /// The sender is not in the group, or has left it, and does not learn the result of earlier
    /// attempts.
    Withheld,
}

/// The answer to one attempt.
#[derive(Debug)]
pub enum Answer {
    Stored {
        message: Value,
        is_duplicate: bool,
    },
    Refused(String),
    /// `not_found`: the sender is not in the group.
    Withheld,
    /// `unavailable`: the client must retry.
    Unknown,
}

#[derive(Clone, Default)]
pub struct Ledger {
    /// Drafts by number, which is a draft's key as well.
    pub drafts: Vec<Draft>,
    pub counts: Counts,
}

#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// Sends repeated because no answer came, and how many of them had been stored.
    pub reopened: u64,
    pub reopened_but_stored: u64,
    /// Sends repeated although the answer had come.
    pub repeated: u64,
}

impl Draft {
    /// The keys of the frame, and the body of the request.
    pub fn body(&self) -> Value {
        let (key, id) = match self.to {
            To::Person(id) => ("recipient_id", id),
            To::Group(id) => ("conversation_id", id),
        };
        json!({key: id, "content": self.content, "client_message_id": self.key})
    }

    pub fn frame(&self) -> Value {
        let mut frame = self.body();
        (frame["type"], frame["ref"]) = (json!("private_message"), json!(self.key));
        frame
    }
}

impl Answer {
    pub fn of_frame(frame: &Value) -> Self {
        match frame["code"].as_str() {
            None => Self::Stored { message: frame["message"].clone(), is_duplicate: frame["duplicate"] == true },
            Some(code) => Self::of_code(code),
        }
    }

    pub fn of_reply(reply: Reply) -> Self {
        let body = reply.json();
        match reply.status {
            200 | 201 => Self::Stored { message: body["message"].clone(), is_duplicate: reply.status == 200 },
            _ => Self::of_code(body["code"].as_str().unwrap()),
        }
    }

    fn of_code(code: &str) -> Self {
        match code {
            "unavailable" => Self::Unknown,
            "forbidden" => Self::Refused(code.to_owned()),
            "not_found" => Self::Withheld,
            _ => panic!("a plan gives no reason for {code}"),
        }
    }
}

impl Ledger {
    /// Adds a new message; returns its number.
    pub fn compose(&mut self, sender_id: i64, to: To) -> usize {
        let number = self.drafts.len();
        let (key, content) = (format!("key{number}"), format!("the text of key{number}"));
        self.drafts.push(Draft { sender_id, to, key, content, attempts: 0, state: DraftState::Open, now: None });
        number
    }

    /// Adds one more attempt to send it.
    pub fn attempt(&mut self, number: usize) -> Draft {
        self.drafts[number].attempts += 1;
        self.drafts[number].clone()
    }

    /// Messages whose sender still waits for an answer.
    pub fn list_open(&self, is_of: impl Fn(&Draft) -> bool) -> Vec<usize> {
        let is_open = |draft: &Draft| draft.state == DraftState::Open && draft.attempts > 0 && is_of(draft);
        (0..self.drafts.len()).filter(|number| is_open(&self.drafts[*number])).collect()
    }

    /// Messages that are stored, or may be.
    pub fn list_stored(&self, is_of: impl Fn(&Draft) -> bool) -> Vec<usize> {
        let is_stored =
            |draft: &Draft| matches!(draft.state, DraftState::Stored(_) | DraftState::Withheld) && is_of(draft);
        (0..self.drafts.len()).filter(|number| is_stored(&self.drafts[*number])).collect()
    }

    /// Updates a message: later answers contain its current form.
    pub fn change(&mut self, message: &MessageRow) {
        let draft = self.drafts.iter_mut().find(|draft| draft.key == message.client_message_id);
        let draft = draft.expect("the message was sent");
        draft.now = Some(message.clone());
        if let DraftState::Stored(known) = &mut draft.state {
            *known = message.clone();
        }
    }

    /// Restores the ledger of an earlier time with the backup: a user who sent a message since, or
    /// got its answer since, retries it.
    pub fn put_back(&mut self, earlier: &Self) {
        for (number, draft) in self.drafts.iter_mut().enumerate() {
            let known = earlier.drafts.get(number);
            draft.state = known.map_or(DraftState::Open, |known| known.state.clone());
            draft.now = known.and_then(|known| known.now.clone());
        }
    }

    /// Checks an answer against the message and earlier answers.
    pub fn settle(&mut self, number: usize, answer: &Answer) {
        let Draft { sender_id, key, content, attempts, state, now: changed, .. } = &mut self.drafts[number];
        let now = match answer {
            Answer::Unknown => DraftState::Open,
            Answer::Refused(code) => DraftState::Refused(code.clone()),
            Answer::Withheld => DraftState::Withheld,
            Answer::Stored { message, is_duplicate } => {
                let message = MessageRow::from_json(message);
                let content = changed.as_ref().map_or(&*content, |changed| &changed.content);
                assert_eq!(
                    (message.sender_id, &message.client_message_id, &message.content),
                    (*sender_id, &*key, content)
                );
                assert!(
                    changed.as_ref().is_none_or(|changed| *changed == message),
                    "{key} is sent in its current state"
                );
                if matches!(state, DraftState::Open | DraftState::Withheld) {
                    assert!(!is_duplicate || *attempts > 1, "{key} was not sent before");
                    self.counts.reopened_but_stored += u64::from(*is_duplicate);
                } else {
                    assert!(is_duplicate, "{key} had its answer, and was stored again");
                }
                DraftState::Stored(message)
            }
        };
        match (&*state, &now) {
            (DraftState::Open, _) => {
                self.counts.reopened += u64::from(*attempts > 1 && now != DraftState::Open);
                *state = now;
            }
            // The sender is a member again.
            (DraftState::Withheld, DraftState::Stored(_)) => *state = now,
            (_, DraftState::Open | DraftState::Withheld) => {}
            _ => {
                self.counts.repeated += 1;
                assert_eq!(*state, now, "{key} had this answer before");
            }
        }
    }
}
