//! How many groups a user may have, and limits on adding users against their will.

use crate::harness::{Group, Reply, TestHub, User, both_databases};
use serde_json::{Value, json};
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;

const NOON: i64 = 1_800_000_000_000;
const DAY: i64 = 24 * 60 * 60 * 1000;

async fn make(maker: &User, others: &[&User], client_id: &str) -> Reply {
    let ids: Vec<i64> = others.iter().map(|user| user.id).collect();
    maker.post("/api/conversations", json!({"participant_ids": ids, "title": "G", "client_id": client_id})).await
}

fn has_used(hub: &TestHub, who: &User, kind: &str, at: i64, amount: i64) {
    let id = who.id;
    hub.database
        .execute(&format!("INSERT INTO quotas (user_id, kind, at, amount) VALUES ({id}, '{kind}', {at}, {amount})"));
}

/// The number of seconds after which a refused request may be repeated.
fn retry_after(reply: &Reply) -> i64 {
    reply.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

both_databases!(a_user_is_in_at_most_five_thousand_groups);
async fn a_user_is_in_at_most_five_thousand_groups(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&cat]).await;
    hub.database.execute(&format!("UPDATE users SET group_count = 4999 WHERE id = {}", bob.id));
    group.add(&ann, &bob).await.is(204);
    let stored = hub.stored();
    let detail = make(&ann, &[&cat, &bob], "a").await.refused(409, "conflict");
    assert!(detail.contains("5,000 groups"), "{detail}");
    let other = Group::of(&ann, &[&cat]).await;
    let detail = other.add(&ann, &bob).await.refused(409, "conflict");
    assert!(detail.contains("5,000 groups"), "{detail}");
    let detail = make(&bob, &[&cat], "b").await.refused(409, "conflict");
    assert!(detail.contains("leave one first"), "{detail}");
    assert_eq!(hub.stored()[1], stored[1] + 1, "refused groups are not stored");
    // Direct conversations do not count as groups.
    bob.send_rest(&ann, "hi").await;
    group.remove(&bob, &bob).await.is(204);
    make(&bob, &[&cat], "b").await.is(201);
}

both_databases!(a_user_creates_at_most_two_hundred_groups_a_day);
async fn a_user_creates_at_most_two_hundred_groups_a_day(hub: &mut TestHub) {
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON));
    hub.restart_at(&clock);
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    has_used(hub, &ann, "groups", NOON - DAY / 2, 199);
    let made = make(&ann, &[&bob], "200th").await.is(201).ok();
    let refused = make(&ann, &[&bob], "201st").await;
    assert_eq!(retry_after(&refused), DAY / 2 / 1000);
    refused.refused(429, "rate_limited");
    let again = make(&ann, &[&bob], "200th").await.is(200).ok();
    assert_eq!(again["conversation"]["id"], made["conversation"]["id"], "a retry makes no group");
    make(&bob, &[&ann], "his-own").await.is(201);
    ann.post("/api/conversations", json!({"participant_ids": [bob.id]})).await.is(201);
    clock.set(Timestamp::from_millis(NOON + DAY / 2));
    make(&ann, &[&bob], "201st").await.is(201);
}

both_databases!(a_user_adds_at_most_a_thousand_strangers_a_day_to_groups, MAX_PARTICIPANTS = "10");
async fn a_user_adds_at_most_a_thousand_strangers_a_day_to_groups(hub: &mut TestHub) {
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON));
    hub.restart_at(&clock);
    let [ann, bob, cat, dan, eve] = hub.users(["ann", "bob", "cat", "dan", "eve"]).await;
    has_used(hub, &ann, "strangers", NOON, 998);
    eve.adds_contact(&ann).await;
    let refused = make(&ann, &[&bob, &cat, &dan, &eve], "three-strangers").await;
    assert_eq!(retry_after(&refused), DAY / 1000);
    refused.refused(429, "rate_limited");
    let made = make(&ann, &[&bob, &cat, &eve], "two-strangers").await.is(201).ok();
    let group = Group { id: made["conversation"]["id"].as_i64().unwrap() };
    group.add(&ann, &dan).await.refused(429, "rate_limited");
    dan.send_rest(&ann, "add me").await;
    group.add(&ann, &dan).await.is(204);
    clock.set(Timestamp::from_millis(NOON + DAY));
    make(&ann, &[&bob, &cat], "the-next-day").await.is(201);
}

both_databases!(a_stranger_cannot_add_a_member_back_after_they_left);
async fn a_stranger_cannot_add_a_member_back_after_they_left(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    group.set_role(&ann, &bob, "admin").await.is(204);
    group.remove(&cat, &cat).await.is(204);
    let stored = hub.stored();
    let mut details = vec![group.add(&ann, &cat).await.refused(403, "forbidden")];
    details.push(make(&ann, &[&bob, &cat], "another").await.refused(403, "forbidden"));
    details.dedup();
    assert_eq!(details.len(), 1, "as where there is a block: {details:?}");
    assert_eq!(hub.stored(), stored);
    // Another user may add Cat, and is refused in turn when Cat leaves again.
    group.add(&bob, &cat).await.is(204);
    group.remove(&cat, &cat).await.is(204);
    group.add(&bob, &cat).await.refused(403, "forbidden");
    // A user whom Cat makes a contact, or writes to, may add her again.
    cat.adds_contact(&ann).await;
    group.add(&ann, &cat).await.is(204);
    cat.send_rest(&bob, "it is all right").await;
    make(&bob, &[&ann, &cat], "by-bob").await.is(201);
}

both_databases!(a_member_removed_by_another_may_be_added_again);
async fn a_member_removed_by_another_may_be_added_again(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    group.remove(&ann, &bob).await.is(204);
    group.add(&ann, &bob).await.is(204);
    // Nobody added the creator of the group.
    group.set_role(&ann, &bob, "owner").await.is(204);
    group.remove(&ann, &ann).await.is(204);
    group.add(&bob, &ann).await.is(204);
}

both_databases!(a_closed_account_leaves_many_groups_in_batches);
async fn a_closed_account_leaves_many_groups_in_batches(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    for number in 0..45 {
        make(&ann, &[&bob], &number.to_string()).await.is(201);
    }
    let mut watching = bob.connect().await;
    ann.call_with("DELETE", "/api/auth/me", json!({"password": crate::harness::PASSWORD})).await.is(204);
    let mut roles: Vec<Value> = Vec::new();
    while roles.len() < 90 {
        let frame = watching.expect("conversation_update").await;
        let row = &frame["conversation"]["participants"][0];
        roles.push(if row["user_id"] == bob.id { row["role"].clone() } else { json!("gone") });
    }
    assert_eq!(roles.iter().filter(|role| **role == "owner").count(), 45, "each group has an owner first");
    let left = format!("participants WHERE user_id = {} AND role IS NOT NULL", ann.id);
    assert_eq!(hub.database.count(&left), 0);
    assert_eq!(hub.database.count("users WHERE groups_due_at IS NOT NULL"), 0);
}
