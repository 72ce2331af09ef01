//! A clock that was five hours ahead leaves nothing permanent once it is right again.

use crate::harness::{PASSWORD, TestHub, both_databases, eventually};
use serde_json::json;
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;

const NOON: i64 = 1_769_860_800_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOON + millis)
}

/// A hub whose clock is five hours ahead.
fn ahead(hub: &mut TestHub) -> Clock {
    let clock = Clock::fixed_at(at(5 * HOUR));
    hub.restart_at(&clock);
    clock
}

both_databases!(message_times_are_at_most_a_minute_ahead_of_the_clock);
async fn message_times_are_at_most_a_minute_ahead_of_the_clock(hub: &mut TestHub) {
    let clock = ahead(hub);
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sent_at = async |millis: i64| {
        clock.set(at(millis));
        ann.send_rest(&bob, "hello").await["created_at"].clone()
    };
    assert_eq!(sent_at(5 * HOUR).await, "2026-01-31T17:00:00.000Z");
    // The hub carries its last time for up to a minute, so that a small correction of the clock
    // turns no time back.
    for (millis, created_at) in [
        (0, "2026-01-31T12:01:00.000Z"),
        (SECOND, "2026-01-31T12:01:00.000Z"),
        (MINUTE, "2026-01-31T12:01:00.000Z"),
        (MINUTE + 1, "2026-01-31T12:01:00.001Z"),
        (HOUR, "2026-01-31T13:00:00.000Z"),
    ] {
        assert_eq!(sent_at(millis).await, created_at);
    }
    let id = bob.conversations().await[0]["id"].as_i64().unwrap();
    let history = bob.get(&format!("/api/conversations/{id}/messages")).await.is(200).ok();
    let order: Vec<_> = history["messages"].as_array().unwrap().iter().map(|message| message["seq"].clone()).collect();
    assert_eq!(order, [1, 2, 3, 4, 5, 6], "seq orders");
}

both_databases!(a_lockout_from_a_clock_ahead_ends_with_the_clock);
async fn a_lockout_from_a_clock_ahead_ends_with_the_clock(hub: &mut TestHub) {
    let clock = ahead(hub);
    hub.users(["ann"]).await;
    let visitor = hub.visitor();
    let log_in = async |password: &str| {
        visitor.post("/api/auth/login", json!({"username": "ann", "password": password})).await.status
    };
    for _ in 0..10 {
        assert_eq!(log_in("a wrong guess").await, 401);
    }
    assert_eq!(log_in(PASSWORD).await, 429);
    // The clock of another node may be a minute behind.
    clock.set(at(5 * HOUR - MINUTE));
    assert_eq!(log_in(PASSWORD).await, 429);
    clock.set(at(0));
    assert_eq!(log_in(PASSWORD).await, 200);
    for _ in 0..10 {
        assert_eq!(log_in("a wrong guess").await, 401);
    }
    assert_eq!(log_in(PASSWORD).await, 429, "and guesses count again");
    clock.set(at(15 * MINUTE));
    assert_eq!(log_in(PASSWORD).await, 200);
    hub.restart_at(&clock);
    eventually("the rows of the wrong clock are deleted", async || {
        hub.database.count(&format!("attempts WHERE free_at > {}", NOON + 3 * HOUR)) == 0
    })
    .await;
}

both_databases!(a_ticket_from_a_clock_ahead_opens_no_connection);
async fn a_ticket_from_a_clock_ahead_opens_no_connection(hub: &mut TestHub) {
    let clock = ahead(hub);
    let [ann] = hub.users(["ann"]).await;
    let (one, other) = (ann.ticket().await, ann.ticket().await);
    clock.set(at(5 * HOUR - MINUTE));
    ann.without_credentials().handshake_at(&one).await.is(101);
    clock.set(at(0));
    ann.without_credentials().handshake_at(&other).await.refused(401, "unauthenticated");
    ann.ticket().await;
    assert_eq!(hub.database.count("tickets"), 1, "the others are swept");
}

both_databases!(reports_from_a_clock_ahead_count_for_no_later_day);
async fn reports_from_a_clock_ahead_count_for_no_later_day(hub: &mut TestHub) {
    let clock = ahead(hub);
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let mut messages = Vec::new();
    for _ in 0..50 {
        messages.push(bob.send_rest(&ann, "spam").await);
    }
    for message in &messages {
        let report = json!({"message_id": message["id"], "reason": "spam"});
        ann.post("/api/reports", report).await.is(201);
    }
    let report = json!({"user_id": cat.id, "reason": "spam"});
    ann.post("/api/reports", report.clone()).await.refused(429, "rate_limited");
    clock.set(at(0));
    ann.post("/api/reports", report).await.is(201);
}

both_databases!(a_login_used_under_a_clock_ahead_is_recorded_again);
async fn a_login_used_under_a_clock_ahead_is_recorded_again(hub: &mut TestHub) {
    let clock = ahead(hub);
    let [ann] = hub.users(["ann"]).await;
    clock.set(at(0));
    ann.get("/api/auth/me").await.is(200);
    let used = format!("logins WHERE last_used_at = {NOON}");
    eventually("the use is written down", async || hub.database.count(&used) == 1).await;
}
