//! Tests of the checks themselves: each property must fail on a state that violates it.

use super::ledger::{Answer, Ledger, To};
use super::properties::{self, Order};
use super::rows::{ConversationRow, MessageRow, ParticipantRow, Rows};
use super::stays::Stays;
use serde_json::{Value, json};

fn message(seq: i64) -> Value {
    json!({"id": 100 + seq, "conversation_id": 7, "seq": seq, "rev": seq + 1, "sender_id": 1,
           "content": format!("the text of key{}", seq - 1), "client_message_id": format!("key{}", seq - 1)})
}

fn participant(user_id: i64, own_read_seq: i64) -> ParticipantRow {
    ParticipantRow {
        conversation_id: 7,
        user_id,
        role: Some("member".to_owned()),
        rev: 1,
        visible_from_seq: 1,
        cleared_seq: 0,
        delivered_seq: 0,
        read_seq: 0,
        own_read_seq,
    }
}

/// Three messages that user 1 sent to user 2, who has read the first.
fn stored() -> Rows {
    Rows {
        conversations: vec![ConversationRow {
            id: 7,
            last_seq: 3,
            rev: 4,
            user_low: Some(1),
            user_high: Some(2),
            title: None,
        }],
        participants: vec![participant(1, 0), participant(2, 1)],
        messages: (1..=3).map(|seq| MessageRow::from_json(&message(seq))).collect(),
        ..Rows::default()
    }
}

/// The ledger in which the sender has an answer for each.
fn answered() -> Ledger {
    let mut ledger = Ledger::default();
    for seq in 1..=3 {
        let number = ledger.compose(1, To::Person(2));
        ledger.attempt(number);
        ledger.settle(number, &Answer::Stored { message: message(seq), is_duplicate: false });
    }
    ledger
}

#[test]
fn a_consistent_history_passes() {
    properties::a_repeated_client_message_id_gives_one_message(&answered(), &stored());
    properties::every_client_shows_one_order(&Order::default(), &stored());
    properties::every_send_ends_stored_or_refused(&answered(), &stored());
}

#[test]
#[should_panic(expected = "is stored 2 times")]
fn a_message_stored_twice_is_detected() {
    let mut rows = stored();
    rows.messages.push(MessageRow { id: 999, seq: 4, rev: 5, ..rows.messages[0].clone() });
    properties::a_repeated_client_message_id_gives_one_message(&answered(), &rows);
}

#[test]
#[should_panic(expected = "key0 had its answer, and was stored again")]
fn a_retry_stored_again_is_detected() {
    let mut ledger = answered();
    ledger.attempt(0);
    ledger.settle(0, &Answer::Stored { message: message(1), is_duplicate: false });
}

#[test]
#[should_panic(expected = "every client shows one order")]
fn two_messages_at_one_position_are_detected() {
    let mut order = Order::default();
    order.note(&message(1));
    order.note_all(1, &json!({"message": {"conversation_id": 7, "seq": 1, "id": 999}}));
}

#[test]
#[should_panic(expected = "the message shown to clients")]
fn a_shown_but_not_stored_message_is_detected() {
    let mut order = Order::default();
    order.note(&message(4));
    properties::every_client_shows_one_order(&order, &stored());
}

#[test]
#[should_panic(expected = "has a gap")]
fn a_gap_is_detected() {
    let mut rows = stored();
    rows.messages.remove(1);
    properties::every_client_shows_one_order(&Order::default(), &rows);
}

#[test]
#[should_panic(expected = "one rev for one change")]
fn a_rev_assigned_twice_is_detected() {
    let mut rows = stored();
    rows.participants[0].rev = 3;
    properties::every_client_shows_one_order(&Order::default(), &rows);
}

#[test]
#[should_panic(expected = "key2 was acknowledged")]
fn a_lost_message_is_detected() {
    let mut rows = stored();
    rows.messages.pop();
    properties::every_send_ends_stored_or_refused(&answered(), &rows);
}

#[test]
#[should_panic(expected = "key1 is sent in its current state")]
fn an_answer_that_lacks_a_change_is_detected() {
    let mut ledger = answered();
    ledger.change(&MessageRow {
        rev: 5,
        reactions: [("👍".to_owned(), 2)].into(),
        ..MessageRow::from_json(&message(2))
    });
    ledger.attempt(1);
    ledger.settle(1, &Answer::Stored { message: message(2), is_duplicate: true });
}

#[test]
#[should_panic(expected = "key3 was refused")]
fn a_refused_but_stored_message_is_detected() {
    let (mut ledger, mut rows) = (answered(), stored());
    let number = ledger.compose(1, To::Person(2));
    ledger.settle(number, &Answer::Refused("forbidden".into()));
    rows.messages.push(MessageRow::from_json(&message(4)));
    properties::every_send_ends_stored_or_refused(&ledger, &rows);
}

#[test]
#[should_panic(expected = "key3 never had an answer")]
fn a_send_without_an_answer_is_detected() {
    let mut ledger = answered();
    ledger.compose(1, To::Person(2));
    properties::every_send_ends_stored_or_refused(&ledger, &stored());
}

/// User 1 was in group 7 from rev 5 to rev 8, and sees messages from the fourth on.
fn stays() -> Stays {
    let (mut stays, mut rows) = (Stays::default(), Rows::default());
    let group = ConversationRow { last_seq: 3, rev: 5, ..ConversationRow::group(7, None) };
    rows.participants = vec![ParticipantRow::joined(&group, 1, "member", 5)];
    rows.conversations = vec![group];
    stays.follow(&rows);
    (rows.participants[0].role, rows.participants[0].rev) = (None, 8);
    stays.follow(&rows);
    stays
}

fn message_frame(rev: i64, seq: i64) -> Value {
    json!({"type": "message_edited", "conversation_id": 7, "rev": rev, "message": {"seq": seq}})
}

#[test]
fn a_member_gets_frames_and_finally_the_removal() {
    let out = json!({"type": "conversation_update", "conversation_id": 7, "rev": 8, "conversation": null});
    [message_frame(5, 4), message_frame(7, 6), out].iter().for_each(|frame| stays().check(1, frame));
}

#[test]
#[should_panic(expected = "1 is not in 7 at 9")]
fn a_frame_to_a_former_member_is_detected() {
    stays().check(1, &message_frame(9, 6));
}

#[test]
#[should_panic(expected = "1 in 7")]
fn a_wrong_last_frame_after_a_removal_is_detected() {
    stays().check(1, &message_frame(8, 6));
}

#[test]
#[should_panic(expected = "1 came later")]
fn a_message_from_before_the_joining_is_detected() {
    stays().check(1, &message_frame(6, 3));
}

#[test]
#[should_panic(expected = "1 is out of 7")]
fn an_answer_to_a_former_member_is_detected() {
    stays().check(1, &json!({"conversations": [{"id": 7, "rev": 8, "conversation": {}, "messages": []}]}));
}

#[test]
fn unread_counts_visible_messages_by_others_past_the_position() {
    let counts = |change: fn(&mut Rows)| {
        let mut rows = stored();
        change(&mut rows);
        [1, 2].map(|user_id| rows.unread(user_id).get(&7).copied().unwrap_or(0))
    };
    assert_eq!(counts(|_| ()), [0, 2]);
    assert_eq!(counts(|rows| rows.participants[1].own_read_seq = 3), [0, 0]);
    assert_eq!(counts(|rows| rows.participants[1].cleared_seq = 2), [0, 1]);
    assert_eq!(counts(|rows| rows.participants[1].visible_from_seq = 3), [0, 1]);
    assert_eq!(counts(|rows| rows.messages[2].is_deleted = true), [0, 1]);
    assert_eq!(counts(|rows| rows.hidden = [(2, 103)].into()), [0, 1]);
    assert_eq!(counts(|rows| rows.hidden = [(1, 103)].into()), [0, 2]);
    assert_eq!(counts(|rows| rows.messages[2].sender_id = 2), [1, 1]);
}
