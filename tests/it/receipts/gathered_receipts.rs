//! Receipts of groups, which are announced together, and how long their times are kept.

use crate::harness::{Group, TestHub, User, both_databases, eventually, register};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;

/// The largest group whose positions are shared.
const MEMBERS: usize = 32;
/// Moves within this time are announced together.
const GATHERED: Duration = Duration::from_millis(100);
const NOON: i64 = 1_769_860_800_000;
const DAY: i64 = 24 * 60 * 60 * 1000;

async fn rev(user: &User, group: Group) -> i64 {
    user.conversation(group.id).await["rev"].as_i64().unwrap()
}

/// The positions of the other members, as this user may see them.
async fn read_seqs(user: &User, group: Group) -> Vec<i64> {
    let seen = user.conversation(group.id).await;
    let others = seen["participants"].as_array().unwrap().iter().filter(|row| row["user_id"] != user.id);
    others.map(|row| row["read_seq"].as_i64().unwrap()).collect()
}

both_databases!(receipts_in_a_group_are_sent_together);
async fn receipts_in_a_group_are_sent_together(hub: &mut TestHub) {
    let visitor = hub.visitor();
    let names: Vec<String> = (0..MEMBERS).map(|number| format!("member{number}")).collect();
    let mut people = Vec::new();
    for name in &names {
        people.push(register(&visitor, name).await);
    }
    let (ann, others) = people.split_first().unwrap();
    let group = Group::of_ids(ann, &others.iter().map(|user| user.id).collect::<Vec<_>>()).await;
    let sent = group.says(ann, "hi").await;
    let mut watching = ann.connect().await;
    let (before, began) = (rev(ann, group).await, Instant::now());
    join_all(others.iter().map(async |user| {
        user.post(&group.at("/delivered"), json!({"seq": 1})).await.is(204);
        user.post(&group.at("/read"), json!({"seq": 1})).await.is(204);
    }))
    .await;
    eventually("all members are shown as having read it", async || read_seqs(ann, group).await == [1; MEMBERS - 1])
        .await;
    let most = began.elapsed().div_duration_f64(GATHERED) as i64 + 2;
    let taken = rev(ann, group).await - before;
    assert!((1..=most).contains(&taken), "{taken} revs for {} moves, at most {most}", 2 * others.len());
    let frames = watching.arrived().await;
    let revs: Vec<i64> = frames.iter().filter_map(|frame| frame["rev"].as_i64()).collect();
    assert_eq!(revs, (before + 1..=before + taken).collect::<Vec<_>>(), "one frame for each rev");
    assert!(hub.database.count("receipt_marks") <= 2 * others.len() as i64);
    assert_eq!(hub.database.count("pending_receipts"), 0);
    let receipts = ann.get(&format!("/api/messages/{}/receipts", sent["id"])).await.ok();
    let receipts = receipts["receipts"].as_array().unwrap();
    assert_eq!(receipts.len(), others.len());
    assert!(receipts.iter().all(|row| row["delivered_at"].is_string() && row["read_at"].is_string()), "{receipts:?}");
}

both_databases!(a_single_receipt_in_a_group_is_sent_with_its_time);
async fn a_single_receipt_in_a_group_is_sent_with_its_time(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    group.says(&ann, "hi").await;
    let mut watching = ann.connect().await;
    bob.post(&group.at("/read"), json!({})).await.is(204);
    let frame = watching.expect("conversation_read").await;
    assert_eq!((&frame["user_id"], &frame["seq"], frame["read_at"].is_string()), (&json!(bob.id), &json!(1), true));
    bob.post(&group.at("/read"), json!({})).await.is(204);
    bob.post(&group.at("/delivered"), json!({"seq": 1})).await.is(204);
    watching.expect_silence().await;
    assert_eq!(rev(&ann, group).await, frame["rev"].as_i64().unwrap(), "a request without a move uses no rev");
}

both_databases!(an_acknowledged_receipt_is_sent_after_a_restart);
async fn an_acknowledged_receipt_is_sent_after_a_restart(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    group.says(&ann, "hi").await;
    for user in [&bob, &cat] {
        user.post(&group.at("/read"), json!({})).await.is(204);
    }
    hub.restart();
    assert_eq!(bob.conversation(group.id).await["unread_count"], 0, "the reader's own position is kept");
    eventually("both members are shown as having read it", async || read_seqs(&ann, group).await == [1, 1]).await;
}

both_databases!(receipts_of_former_members_are_not_sent);
async fn receipts_of_former_members_are_not_sent(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    group.says(&ann, "hi").await;
    let mut watching = ann.connect().await;
    cat.post(&group.at("/read"), json!({})).await.is(204);
    group.remove(&cat, &cat).await.is(204);
    eventually("no receipt is pending", async || hub.database.count("pending_receipts") == 0).await;
    let revs: Vec<Value> = watching.arrived().await.iter().map(|frame| frame["rev"].clone()).collect();
    assert!(revs.is_sorted_by_key(Value::as_i64) && revs.len() <= 2, "{revs:?}");
    assert_eq!(read_seqs(&ann, group).await, [0], "Bob has not read it");
}

both_databases!(receipt_times_are_kept_for_ninety_days);
async fn receipt_times_are_kept_for_ninety_days(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    hub.restart_at(&Clock::fixed_at(Timestamp::from_millis(NOON)));
    let id = ann.send_rest(&bob, "hi").await["id"].clone();
    bob.call("POST", &format!("/api/messages/{id}/read")).await.is(204);
    let read_times = async |ann: &User| {
        let message = ann.get(&format!("/api/messages/{id}")).await.ok()["message"].clone();
        let receipts = ann.get(&format!("/api/messages/{id}/receipts")).await.ok()["receipts"][0].clone();
        assert_eq!(message["status"], "read");
        [message["read_at"].clone(), receipts["delivered_at"].clone(), receipts["read_at"].clone()]
    };
    let noon = json!("2026-01-31T12:00:00.000Z");
    hub.restart_at(&Clock::fixed_at(Timestamp::from_millis(NOON + 90 * DAY)));
    // No user stays logged in for that long.
    let ann = ann.log_in_again().await;
    assert_eq!(read_times(&ann).await, [(); 3].map(|()| noon.clone()));
    assert_eq!(hub.database.count("receipt_marks"), 2);
    hub.restart_at(&Clock::fixed_at(Timestamp::from_millis(NOON + 90 * DAY + 1)));
    eventually("the marks are deleted", async || hub.database.count("receipt_marks") == 0).await;
    assert_eq!(read_times(&ann).await, [(); 3].map(|()| Value::Null));
}
