//! The properties of every plan, by name.
//!
//! | the property | where it is shown |
//! | --- | --- |
//! | 1. a repeated `client_message_id` gives one message | here, at the end of every plan, and in `ledger` at each answer |
//! | 2. every client shows one order | here, and by [`Order`] at each frame |
//! | 3. every send ends stored or refused | here, at the end of every plan |
//! | 4. after a reconnect nothing is missing | here, after quiet connects and at the end |
//! | 5. typing is cleared in time | `typing` beside this, with plans of its own |
//! | 6. the state a client reports is its socket's | the web client's connection alone, without a hub: the last test of `client/socket.test.js` |
//! | 7. every call is answered or times out | the same test |
//! | 8. retries follow the policy | the two tests of `client/socket.test.js` on retries |
//! | 9. a group is there for those who are in it alone, from when they came | `stays` at each frame, `groups` at each change, and here |
//!
//! The web client does not use `sync` yet: what 2 and 4 show of a client, they
//! show of the harness's model of the protocol document, and not of it.

use super::device::Device;
use super::ledger::{Answer, Draft, DraftState, Ledger, To};
use super::rows::{ConversationRow, Mark, MessageRow, ParticipantRow, Rows};
use super::stays::Stays;
use crate::harness::{User, truth};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use switchboard::ids::Timestamp;

/// The message at each position, as any client was ever told.
#[derive(Clone, Default)]
pub struct Order {
    ids: BTreeMap<(i64, i64), i64>,
    pub stays: Stays,
}

impl Order {
    pub fn note(&mut self, message: &Value) {
        let number = |key: &str| message[key].as_i64().unwrap();
        let (position, id) = ((number("conversation_id"), number("seq")), number("id"));
        assert_eq!(*self.ids.entry(position).or_insert(id), id, "every client shows one order, also at {position:?}");
    }

    /// Every message that a frame to a user mentions.
    pub fn note_all(&mut self, user_id: i64, frame: &Value) {
        self.stays.check(user_id, frame);
        if frame["message"].is_object() {
            self.note(&frame["message"]);
        }
        for changed in frame["conversations"].as_array().into_iter().flatten() {
            changed["messages"].as_array().into_iter().flatten().for_each(|message| self.note(message));
        }
    }
}

pub fn a_repeated_client_message_id_gives_one_message(ledger: &Ledger, rows: &Rows) {
    for draft in &ledger.drafts {
        let copies = rows.messages.iter().filter(|row| row.client_message_id == draft.key).count();
        assert!(copies <= 1, "{} was sent {} times and is stored {copies} times", draft.key, draft.attempts);
    }
}

pub fn every_client_shows_one_order(order: &Order, rows: &Rows) {
    let stored: BTreeMap<(i64, i64), i64> =
        rows.messages.iter().map(|row| ((row.conversation_id, row.seq), row.id)).collect();
    for (position, id) in &order.ids {
        assert_eq!(stored.get(position), Some(id), "the message shown to clients at {position:?}");
    }
    for conversation in &rows.conversations {
        let seqs = rows.messages_in(conversation.id).map(|row| row.seq);
        assert!(seqs.eq(1..=conversation.last_seq), "the order of {} has a gap", conversation.id);
        let mut as_sent = rows.messages_in(conversation.id).filter(|row| !rows.changed.contains(&row.id));
        assert!(as_sent.by_ref().map(|row| row.rev).is_sorted(), "messages are numbered as they were committed");
        let mut revs: Vec<i64> = rows.messages_in(conversation.id).map(|row| row.rev).collect();
        let participants = rows.participants.iter().filter(|row| row.conversation_id == conversation.id);
        // One change may move the positions of several users.
        let changes: BTreeSet<i64> = participants.map(|row| row.rev).filter(|rev| *rev > 1).collect();
        revs.extend(changes);
        revs.sort_unstable();
        assert!(revs.windows(2).all(|pair| pair[0] < pair[1]), "one rev for one change in {}", conversation.id);
        let last = revs.last().copied().unwrap_or(1);
        assert_eq!(last, conversation.rev, "the last change is the last rev of {}", conversation.id);
    }
}

pub fn every_send_ends_stored_or_refused(ledger: &Ledger, rows: &Rows) {
    let by_key: BTreeMap<&str, &MessageRow> =
        rows.messages.iter().map(|row| (row.client_message_id.as_str(), row)).collect();
    for draft in &ledger.drafts {
        let stored = by_key.get(draft.key.as_str()).copied();
        match &draft.state {
            DraftState::Open => panic!("{} never had an answer", draft.key),
            DraftState::Stored(message) => assert_eq!(stored, Some(message), "{} was acknowledged", draft.key),
            DraftState::Refused(code) => assert_eq!(stored, None, "{} was refused: {code}", draft.key),
            DraftState::Withheld => assert!(draft.attempts > 1 || stored.is_none(), "{} was refused", draft.key),
        }
    }
    let is_there = |draft: &&Draft| by_key.contains_key(draft.key.as_str());
    assert_eq!(by_key.len(), ledger.drafts.iter().filter(is_there).count(), "every stored message was sent");
}

/// Checks that every permitted sender is accepted, and every other one is refused: between two
/// users a block decides it, in a group only membership.
pub fn a_permitted_send_is_not_refused(draft: &Draft, answer: &Answer, rows: &Rows) {
    let Draft { sender_id, key, .. } = draft;
    let (is_blocked, is_in) = match draft.to {
        To::Person(id) => (rows.is_block_between(*sender_id, id), true),
        To::Group(id) => (false, rows.member(*sender_id, id).is_some()),
    };
    match answer {
        Answer::Refused(code) => assert!(is_blocked, "{key} was refused without a block: {code}"),
        Answer::Withheld => assert!(!is_in, "{key} is of a group that the sender is in"),
        Answer::Stored { is_duplicate, .. } => {
            assert!(is_in, "{key} came into a group that the sender is not in");
            assert!(*is_duplicate || !is_blocked, "{key} passed a block");
        }
        Answer::Unknown => {}
    }
}

/// Checks that a mark up to `seq` moves this user's position in one conversation, never back, and
/// the position that others see where there is no block; and nothing else.
pub fn a_mark_moves_one_position(user: &User, id: i64, (delivered, read): (i64, i64), before: &Rows, after: &Rows) {
    let is_shared = !before.is_blocked_in(before.conversation(id));
    let expected: Vec<[i64; 5]> = before
        .participants
        .iter()
        .map(|row| {
            let mut row = row.clone();
            if (row.conversation_id, row.user_id) == (id, user.id) {
                row.own_read_seq = row.own_read_seq.max(read);
                if is_shared {
                    row.delivered_seq = row.delivered_seq.max(delivered);
                    row.read_seq = row.read_seq.max(read);
                }
            }
            row.positions()
        })
        .collect();
    let positions: Vec<[i64; 5]> = after.participants.iter().map(ParticipantRow::positions).collect();
    assert_eq!(positions, expected, "{} marks {id}", user.name);
}

/// Checks that a position visible to others was reached at some time, which is stored; the start of
/// a member who joined later is exempt.
pub fn every_position_has_its_mark(rows: &Rows) {
    for participant in &rows.participants {
        for (kind, seq) in [("delivered", participant.delivered_seq), ("read", participant.read_seq)] {
            let is_of = |mark: &&Mark| {
                (mark.conversation_id, mark.user_id) == (participant.conversation_id, participant.user_id)
            };
            let last = rows.marks.iter().filter(is_of).filter(|mark| mark.kind == kind).map(|mark| mark.seq).max();
            assert_eq!(
                last.unwrap_or(0).max(participant.visible_from_seq - 1),
                seq,
                "the last mark of {participant:?}"
            );
        }
    }
}

/// Checks that every group has a member who can change it.
pub fn a_nonempty_group_has_an_owner(rows: &Rows) {
    for group in rows.conversations.iter().filter(|row| row.is_group()) {
        let mut people = rows.participants_in(group.id).peekable();
        let is_empty = people.peek().is_none();
        assert!(is_empty || people.any(|row| row.role.as_deref() == Some("owner")), "{} has an owner", group.id);
    }
}

pub fn a_reconnected_device_misses_nothing(device: &Device, rows: &Rows) {
    let Device { name, user, model, .. } = device;
    let relations = |relations: &[super::rows::Relation]| {
        relations.iter().filter(|relation| relation.from == user.id).map(|relation| relation.to).collect()
    };
    assert_eq!((&model.blocks, &model.contacts), (&relations(&rows.blocks), &relations(&rows.contacts)), "{name}");
    let ids = |rows: Vec<&ConversationRow>| rows.iter().map(|row| row.id).collect::<BTreeSet<_>>();
    let (all, listed) = (ids(rows.conversations_of(user.id).collect()), ids(rows.listed_for(user.id).collect()));
    let known: BTreeSet<i64> = model.conversations.keys().copied().collect();
    assert!(known.is_superset(&listed) && known.is_subset(&all), "{name} has {known:?} of {listed:?}");
    for conversation in rows.conversations_of(user.id).filter(|row| known.contains(&row.id)) {
        let (id, held) = (conversation.id, &model.conversations[&conversation.id]);
        let shared_states: BTreeMap<i64, SharedState> =
            held.members().into_iter().map(|(id, row)| (id, shared_state(row))).collect();
        assert_eq!((held.rev, shared_states), (conversation.rev, shared_states_in(rows, id)), "{name} in {id}");
        assert_eq!(held.title, json!(conversation.title), "{name} in {id}");
        let messages: Vec<MessageRow> = model.shown(id).into_values().map(MessageRow::from_json).collect();
        let mut stored: Vec<MessageRow> = rows.shown_in(id, user.id).cloned().collect();
        // A client that was offline long has the newest messages, as many as fit, and requests
        // older ones; also when those that came have been hidden since.
        let has_some = model.has_messages(id) || stored.is_empty();
        assert!(has_some, "{name} has no message of {id}, but there are {stored:#?}");
        let newest = stored.split_off(stored.len().saturating_sub(messages.len()));
        assert_eq!(messages, newest, "the messages of {name} in {id}");
        if stored.is_empty() {
            let count = rows.unread(user.id).get(&id).copied().unwrap_or(0);
            assert_eq!(model.unread(id, user.id) as i64, count, "{name} counts unread messages in {id}");
        }
    }
}

/// Checks that a new member gets the same by `sync` as the members who were there.
pub async fn a_new_client_gets_the_same(user: &User, rows: &Rows) {
    let mut device = Device::new(user, format!("{}-new", user.name));
    device.model = truth(user).await;
    a_reconnected_device_misses_nothing(&device, rows);
}

/// The state of a participant that everybody in a conversation sees: their role, the rev of it, and
/// their positions.
type SharedState = (Option<String>, [i64; 3]);

fn shared_state(participant: &Value) -> SharedState {
    let numbers = ["rev", "delivered_seq", "read_seq"].map(|key| participant[key].as_i64().unwrap());
    (participant["role"].as_str().map(str::to_owned), numbers)
}

fn shared_states_in(rows: &Rows, conversation_id: i64) -> BTreeMap<i64, SharedState> {
    let shared_state = |row: &ParticipantRow| (row.role.clone(), [row.rev, row.delivered_seq, row.read_seq]);
    rows.participants_in(conversation_id).map(|row| (row.user_id, shared_state(row))).collect()
}

/// Checks that the hub's unread counts equal a recount.
pub async fn unread_counts_equal_a_recount(user: &User, rows: &Rows) {
    let counts = rows.unread(user.id);
    let (unread, list) = tokio::join!(user.get("/api/unread"), user.get("/api/conversations?limit=200"));
    let total: i64 = counts.values().sum();
    let platforms = if total > 0 { json!({"chat": total}) } else { json!({}) };
    let expected = json!({"total_unread": total, "conversations": counts, "unread_counts": platforms});
    assert_eq!(unread.ok(), expected, "the unread counts of {}", user.name);
    let listed: BTreeMap<Option<i64>, (Option<i64>, Option<i64>)> = list.ok()["conversations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["id"].as_i64(), (row["unread_count"].as_i64(), row["last_message"]["id"].as_i64())))
        .collect();
    let by_hand = rows.listed_for(user.id).map(|row| {
        let last = rows.shown_in(row.id, user.id).last().map(|message| message.id);
        (Some(row.id), (Some(counts.get(&row.id).copied().unwrap_or(0)), last))
    });
    assert_eq!(listed, by_hand.collect(), "unread counts and last messages in the list of {}", user.name);
}

/// Checks that conversations, history and receipts, read over REST, match the stored rows.
pub async fn requests_tell_what_is_stored(user: &User, rows: &Rows) {
    for other in rows.conversations.iter().filter(|row| rows.member(user.id, row.id).is_none()) {
        user.get(&format!("/api/conversations/{}", other.id)).await.refused(404, "not_found");
        user.get(&format!("/api/conversations/{}/messages", other.id)).await.refused(404, "not_found");
    }
    for conversation in rows.conversations_of(user.id) {
        let ConversationRow { id, last_seq, rev, title, .. } = conversation;
        let answer = user.conversation(*id).await;
        let expected = (&json!(last_seq), &json!(rev), &json!(title));
        assert_eq!((&answer["last_seq"], &answer["rev"], &answer["title"]), expected, "{} reads of {id}", user.name);
        let people = answer["participants"].as_array().unwrap();
        let shared_states: BTreeMap<i64, SharedState> =
            people.iter().map(|row| (row["user_id"].as_i64().unwrap(), shared_state(row))).collect();
        assert_eq!(shared_states, shared_states_in(rows, *id), "{} reads of conversation {id}", user.name);
        let mut history: Vec<MessageRow> = Vec::new();
        loop {
            let after = history.last().map_or(0, |message| message.seq);
            let page = user.history(*id, &format!("?after_seq={after}&limit=200")).await;
            history.extend(page["messages"].as_array().unwrap().iter().map(MessageRow::from_json));
            if page["has_more"] == false {
                break;
            }
        }
        let stored: Vec<MessageRow> = rows.shown_in(*id, user.id).cloned().collect();
        assert_eq!(history, stored, "the history of {id} that {} reads", user.name);
        for message in [stored.first(), stored.get(stored.len() / 2), stored.last()].into_iter().flatten() {
            let receipts = user.get(&format!("/api/messages/{}/receipts", message.id)).await.ok();
            assert_eq!(receipts, receipts_of(message, rows), "receipts of {}", message.id);
        }
    }
}

fn receipts_of(message: &MessageRow, rows: &Rows) -> Value {
    let is_reader = |row: &&ParticipantRow| row.user_id != message.sender_id && row.visible_from_seq <= message.seq;
    let others = rows.participants_in(message.conversation_id).filter(is_reader);
    let receipts = others.map(|reader| {
        let at = |kind| rows.reached_at(message, reader.user_id, kind).map(Timestamp::from_millis);
        json!({"user_id": reader.user_id, "delivered_at": at("delivered"), "read_at": at("read")})
    });
    json!({"receipts": receipts.collect::<Vec<_>>()})
}
