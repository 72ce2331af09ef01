//! The messages that the clients sent, the answers they got, and checks against the database.
//!
//! Every statement of an answer or a live frame about a message must stay true. So it is compared
//! at once with earlier statements, and in the end with the stored rows.

use super::writer::Draft;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::fmt;
use tokio::sync::watch;

/// The fields of a message that never change.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Message {
    pub id: i64,
    pub conversation_id: i64,
    pub seq: i64,
    pub rev: i64,
    pub sender_id: i64,
    pub receiver_id: i64,
    pub content: String,
    pub client_message_id: String,
    pub created_at: String,
}

/// A conversation as one of its two users reads it in the end.
pub struct Conversation {
    pub id: i64,
    pub last_seq: i64,
    pub rev: i64,
    pub messages: Vec<Message>,
}

/// The answer to one attempt.
pub struct Answer {
    pub message: Message,
    /// An earlier attempt had stored it.
    pub is_duplicate: bool,
}

pub struct History {
    /// Messages by `client_message_id`, which is never used twice here.
    acknowledged: HashMap<String, Message>,
    /// Messages by id, from live frames.
    delivered: HashMap<i64, Message>,
    progress: watch::Sender<u64>,
    counts: Counts,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    /// Messages sent again because no answer came, and how many of them had been stored all the
    /// same.
    unanswered: u64,
    unanswered_but_stored: u64,
    /// Messages sent again although the answer had come.
    repeated: u64,
}

impl History {
    /// Lets a test wait for the number of acknowledged messages.
    pub fn new() -> (Self, watch::Receiver<u64>) {
        let (progress, count) = watch::channel(0);
        let history =
            Self { acknowledged: HashMap::new(), delivered: HashMap::new(), progress, counts: Counts::default() };
        (history, count)
    }

    pub fn acknowledge(&mut self, draft: &Draft, answer: Answer) {
        let Answer { message, is_duplicate } = answer;
        let Draft { sender_id, recipient_id, key, content, attempts } = draft;
        assert_eq!(
            (message.sender_id, message.receiver_id, &message.client_message_id, &message.content),
            (*sender_id, *recipient_id, key, content),
            "the answer matches the sent message"
        );
        match self.acknowledged.get(key) {
            Some(first) => {
                assert!(is_duplicate, "an acknowledged message was stored again: {message:?}");
                assert_eq!(*first, message, "a retry gets the first message back");
                self.counts.repeated += 1;
            }
            None => {
                assert!(!is_duplicate || *attempts > 1, "this was not sent before: {message:?}");
                self.counts.unanswered += u64::from(*attempts > 1);
                self.counts.unanswered_but_stored += u64::from(is_duplicate);
                self.acknowledged.insert(key.clone(), message);
                self.progress.send_modify(|count| *count += 1);
            }
        }
    }

    pub fn deliver(&mut self, message: Message) {
        let id = message.id;
        let first = self.delivered.entry(id).or_insert_with(|| message.clone());
        assert_eq!(*first, message, "all clients get the same message {id}");
    }

    /// Compares every answer and frame with the stored rows.
    pub fn check(&self, stored: &[Conversation]) -> Summary {
        let mut by_id: HashMap<i64, &Message> = HashMap::new();
        let mut readers: HashMap<i64, u32> = HashMap::new();
        for conversation in stored {
            conversation.check_numbers();
            *readers.entry(conversation.id).or_default() += 1;
            for message in &conversation.messages {
                let first = by_id.entry(message.id).or_insert(message);
                assert_eq!(*first, message, "both users read the same message under one id");
            }
        }
        assert!(readers.values().all(|count| *count == 2), "both users see their conversation");
        let keys: HashSet<_> = by_id.values().map(|message| (message.sender_id, &message.client_message_id)).collect();
        assert_eq!(keys.len(), by_id.len(), "no message is stored twice");
        for (key, message) in &self.acknowledged {
            assert_eq!(by_id.get(&message.id), Some(&message), "{key} was acknowledged");
        }
        for message in by_id.values() {
            let key = &message.client_message_id;
            assert!(self.acknowledged.contains_key(key), "every writer stayed for all answers, but {key} has none");
        }
        for (id, message) in &self.delivered {
            assert_eq!(by_id.get(id), Some(&message), "every delivered message is stored");
        }
        let Counts { unanswered, unanswered_but_stored, repeated } = self.counts;
        Summary {
            acknowledged: self.acknowledged.len(),
            delivered: self.delivered.len(),
            conversations: readers.len(),
            unanswered,
            unanswered_but_stored,
            repeated,
        }
    }
}

impl Conversation {
    /// Rev 1 is the conversation itself, and every message takes the next.
    fn check_numbers(&self) {
        let Self { id, last_seq, rev, messages } = self;
        for (message, n) in messages.iter().zip(1..) {
            assert_eq!((message.conversation_id, message.seq, message.rev), (*id, n, n + 1), "no gap, no duplicate");
        }
        let count = messages.len() as i64;
        assert_eq!((*last_seq, *rev), (count, count + 1), "conversation {id} counts its messages");
        let times = messages.windows(2).map(|pair| (&pair[0].created_at, &pair[1].created_at));
        times.for_each(|(earlier, later)| assert!(earlier <= later, "time goes back in conversation {id}"));
    }
}

/// The results of a run.
pub struct Summary {
    acknowledged: usize,
    delivered: usize,
    conversations: usize,
    unanswered: u64,
    unanswered_but_stored: u64,
    repeated: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages acknowledged and {} seen live in {} conversations, each stored once as it was sent; \
             {} had no answer and were sent again, {} of them had been stored; \
             {} were sent again after their answer and got it back",
            self.acknowledged,
            self.delivered,
            self.conversations,
            self.unanswered,
            self.unanswered_but_stored,
            self.repeated
        )
    }
}

/// Tests of the check itself: it must fail on wrong histories.
mod tests {
    use super::*;

    fn draft(n: i64) -> Draft {
        Draft { sender_id: 1, recipient_id: 2, key: format!("key{n}"), content: format!("text {n}"), attempts: 1 }
    }

    fn message(n: i64) -> Message {
        let Draft { sender_id, recipient_id, key, content, .. } = draft(n);
        Message {
            id: 100 + n,
            conversation_id: 7,
            seq: n,
            rev: n + 1,
            sender_id,
            receiver_id: recipient_id,
            content,
            client_message_id: key,
            created_at: format!("2026-01-31T12:00:00.00{n}Z"),
        }
    }

    /// Three messages were acknowledged, and these are stored.
    fn check(stored: Vec<Message>) {
        let (mut history, _count) = History::new();
        for n in 1..=3 {
            history.acknowledge(&draft(n), Answer { message: message(n), is_duplicate: false });
        }
        let seen_by_both = || {
            let messages: Vec<Message> = stored.clone();
            Conversation { id: 7, last_seq: messages.len() as i64, rev: messages.len() as i64 + 1, messages }
        };
        history.check(&[seen_by_both(), seen_by_both()]);
    }

    #[test]
    fn a_consistent_history_passes() {
        check(vec![message(1), message(2), message(3)]);
    }

    #[test]
    #[should_panic(expected = "key3 was acknowledged")]
    fn a_lost_message_is_detected() {
        check(vec![message(1), message(2)]);
    }

    #[test]
    #[should_panic(expected = "no gap")]
    fn a_gap_is_detected() {
        check(vec![message(1), message(3)]);
    }

    #[test]
    #[should_panic(expected = "no message is stored twice")]
    fn a_duplicate_message_is_detected() {
        let again = Message { id: 104, seq: 4, rev: 5, created_at: message(4).created_at, ..message(3) };
        check(vec![message(1), message(2), message(3), again]);
    }

    #[test]
    #[should_panic(expected = "was acknowledged")]
    fn a_corrupted_message_is_detected() {
        check(vec![message(1), Message { content: "te".into(), ..message(2) }, message(3)]);
    }

    #[test]
    #[should_panic(expected = "every delivered message is stored")]
    fn a_delivered_but_not_stored_message_is_detected() {
        let (mut history, _count) = History::new();
        history.deliver(message(1));
        history.check(&[]);
    }

    #[test]
    #[should_panic(expected = "a retry gets the first message back")]
    fn a_different_answer_to_a_retry_is_detected() {
        let (mut history, _count) = History::new();
        history.acknowledge(&draft(1), Answer { message: message(1), is_duplicate: false });
        let other = Message { id: 999, ..message(1) };
        history.acknowledge(&draft(1), Answer { message: other, is_duplicate: true });
    }
}
