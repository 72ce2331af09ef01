//! Reports: permissions of reporters, and the view of administrators.

use crate::harness::{Group, PASSWORD, TestHub, User, any_database, both_databases, eventually};
use serde_json::{Value, json};
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;

fn of_user(user: &User) -> Value {
    json!({"user_id": user.id, "reason": "rude"})
}

fn of_message(message: &Value) -> Value {
    json!({"message_id": message["id"], "reason": "rude"})
}

async fn reports(by: &User, body: Value, status: u16) -> Value {
    by.post("/api/reports", body).await.is(status).ok()["report"].clone()
}

/// The reports that an administrator sees, newest first.
async fn page(admin: &User, query: &str) -> Value {
    admin.get(&format!("/api/admin/reports{query}")).await.is(200).ok()
}

async fn listed(admin: &User) -> Vec<Value> {
    page(admin, "").await["reports"].as_array().unwrap().clone()
}

both_databases!(administrators_see_the_current_state_of_reported_items);
async fn administrators_see_the_current_state_of_reported_items(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let eve = hub.promote(&eve).await;
    assert_eq!(page(&eve, "").await, json!({"reports": [], "next": null}));
    let message = bob.send_rest(&ann, "very rude").await;
    let message_path = format!("/api/messages/{}", message["id"]);
    let reason = "rude\nand often: ö 😀";
    let first = reports(&ann, json!({"message_id": message["id"], "reason": reason}), 201).await;
    let second = reports(&ann, of_user(&bob), 201).await;
    let expected = json!({"id": first["id"], "created_at": first["created_at"], "reporter_id": ann.id,
        "user_id": null, "message_id": message["id"], "reason": reason});
    assert_eq!(first, expected);
    assert_eq!((&second["user_id"], &second["message_id"]), (&json!(bob.id), &Value::Null));
    let evidence = json!({"text": "very rude", "user_id": bob.id, "created_at": message["created_at"]});
    let with = |mut report: Value, message: Value| {
        report["message"] = message;
        report["evidence"] = evidence.clone();
        report
    };
    let seen = listed(&eve).await;
    let mut of_bob = with(second.clone(), Value::Null);
    of_bob["evidence"] = json!({"text": "bob (@bob)", "user_id": bob.id, "created_at": second["created_at"]});
    assert_eq!(seen, [of_bob, with(first.clone(), message.clone())]);
    bob.patch(&message_path, json!({"content": "not so rude"})).await.is(200);
    let edited = ann.get(&message_path).await.ok()["message"].clone();
    assert_eq!(listed(&eve).await[1], with(first.clone(), edited));
    bob.delete(&format!("{message_path}?for=everyone")).await.is(204);
    let tombstone = ann.get(&message_path).await.ok()["message"].clone();
    assert_eq!(tombstone["content"], "");
    assert_eq!(listed(&eve).await[1], with(first, tombstone));
    eve.get(&message_path).await.refused(404, "not_found");
}

both_databases!(reporting_an_unreadable_message_answers_not_found);
async fn reporting_an_unreadable_message_answers_not_found(hub: &mut TestHub) {
    let [ann, bob, cat, eve] = hub.users(["ann", "bob", "cat", "eve"]).await;
    let eve = hub.promote(&eve).await;
    let between = ann.send_rest(&bob, "between us").await;
    let group = Group::of(&ann, &[&bob]).await;
    let early = group.says(&ann, "early").await;
    group.add(&ann, &cat).await.is(204);
    let late = group.says(&ann, "late").await;
    let hidden = ann.send_rest(&bob, "hidden").await;
    bob.delete(&format!("/api/messages/{}?for=me", hidden["id"])).await.is(204);
    let missing = ann.post("/api/reports", json!({"message_id": 999_999, "reason": "x"})).await;
    for (who, message) in [(&cat, &between), (&eve, &between), (&cat, &early), (&bob, &hidden)] {
        let reply = who.post("/api/reports", of_message(message)).await;
        assert_eq!((reply.status, &reply.body), (404, &missing.body), "{} {message}", who.name);
    }
    reports(&cat, of_message(&late), 201).await;
    group.remove(&ann, &cat).await.is(204);
    let again = cat.post("/api/reports", of_message(&late)).await;
    assert_eq!((again.status, again.body), (404, missing.body), "not even a message reported before");
    assert_eq!(hub.database.count("reports"), 1);
}

both_databases!(a_report_names_another_user_or_one_of_their_messages);
async fn a_report_names_another_user_or_one_of_their_messages(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (own, theirs) = (ann.send_rest(&bob, "own").await, bob.send_rest(&ann, "theirs").await);
    ann.post("/api/reports", json!({"user_id": 999_999, "reason": "x"})).await.refused(404, "not_found");
    for (body, key) in [
        (json!({"reason": "x"}), "user_id or message_id is missing"),
        (json!({"user_id": bob.id, "message_id": theirs["id"], "reason": "x"}), "send user_id or message_id, not both"),
        (of_user(&ann), "user_id must not be your own id"),
        (of_message(&own), "message_id must name a message of another user"),
        (json!({"user_id": "bob", "reason": "x"}), "user_id must be an integer"),
        (json!({"message_id": 0, "reason": "x"}), "message_id must be an integer"),
        (json!({"user_id": bob.id}), "reason is missing"),
    ] {
        let detail = ann.post("/api/reports", body).await.refused(400, "invalid");
        assert!(detail.starts_with(key), "{key}: {detail}");
    }
    hub.visitor().post("/api/reports", of_user(&bob)).await.refused(401, "unauthenticated");
    assert_eq!(hub.database.count("reports"), 0);
    // A block, in either direction, does not prevent a report.
    ann.blocks(&bob).await;
    for (who, body) in [(&ann, of_user(&bob)), (&ann, of_message(&theirs)), (&bob, of_user(&ann))] {
        reports(who, body, 201).await;
    }
    ann.delete(&format!("/api/messages/{}?for=everyone", own["id"])).await.is(204);
    reports(&bob, of_message(&own), 201).await;
}

both_databases!(a_reason_has_1_to_1000_characters);
async fn a_reason_has_1_to_1000_characters(hub: &mut TestHub) {
    let [ann, bob, cat, dan] = hub.users(["ann", "bob", "cat", "dan"]).await;
    let report = |who: &User, reason: Value| json!({"user_id": who.id, "reason": reason});
    for (who, reason) in [(&bob, "x".to_owned()), (&cat, "😀".repeat(1000)), (&dan, "a\nb".to_owned())] {
        assert_eq!(reports(&ann, report(who, json!(reason)), 201).await["reason"], reason);
    }
    let bad = ["", " \n ", "a\tb", "a\r\nb", "a\0b", "a\u{7f}b", &"x".repeat(1001)];
    for reason in bad.into_iter().map(|reason| json!(reason)).chain([json!(null), json!(7), json!(["x"])]) {
        let detail = bob.post("/api/reports", report(&ann, reason.clone())).await.refused(400, "invalid");
        assert!(detail.starts_with("reason"), "{reason}: {detail}");
    }
}

both_databases!(repeating_a_report_returns_the_first_one);
async fn repeating_a_report_returns_the_first_one(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let message = bob.send_rest(&ann, "rude").await;
    for body in [of_user(&bob), of_message(&message)] {
        let first = reports(&ann, body.clone(), 201).await;
        assert_eq!(reports(&ann, body.clone(), 200).await, first);
        let other_words = json!({"user_id": body["user_id"], "message_id": body["message_id"], "reason": "very rude"});
        assert_eq!(reports(&ann, other_words, 200).await, first, "the first reason is kept");
    }
    let theirs = reports(&cat, of_user(&bob), 201).await;
    assert_eq!(theirs["reporter_id"], cat.id, "another reporter creates another report");
    let post = || cat.post("/api/reports", of_user(&ann));
    let at_once = tokio::join!(post(), post(), post(), post());
    let mut statuses = [at_once.0.status, at_once.1.status, at_once.2.status, at_once.3.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 201]);
    assert_eq!(hub.database.count("reports"), 4);
}

both_databases!(a_user_may_report_fifty_times_a_day);
async fn a_user_may_report_fifty_times_a_day(hub: &mut TestHub) {
    const NOON: i64 = 1_769_860_800_000;
    const HOUR: i64 = 3_600_000;
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON));
    hub.restart_at(&clock);
    let [ann, bob, cat, dan] = hub.users(["ann", "bob", "cat", "dan"]).await;
    let mut messages = Vec::new();
    for _ in 0..51 {
        messages.push(bob.send_rest(&ann, "spam").await);
    }
    for (number, message) in messages[..50].iter().enumerate() {
        clock.set(Timestamp::from_millis(NOON + if number == 0 { 0 } else { HOUR }));
        reports(&ann, of_message(message), 201).await;
    }
    let refused = ann.post("/api/reports", of_message(&messages[50])).await;
    assert_eq!(refused.header("retry-after"), Some("82800"), "23 hours");
    refused.refused(429, "rate_limited");
    reports(&ann, of_message(&messages[7]), 200).await;
    reports(&cat, of_user(&bob), 201).await;
    clock.set(Timestamp::from_millis(NOON + 24 * HOUR - 1));
    ann.post("/api/reports", of_message(&messages[50])).await.refused(429, "rate_limited");
    clock.set(Timestamp::from_millis(NOON + 24 * HOUR));
    reports(&ann, of_message(&messages[50]), 201).await;
    ann.post("/api/reports", of_user(&dan)).await.refused(429, "rate_limited");
}

any_database!(reports_are_listed_in_pages);
async fn reports_are_listed_in_pages(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let eve = hub.promote(&eve).await;
    let add = |count: i64| {
        hub.database.execute(&format!(
            "INSERT INTO users (username, username_key, display_name, created_at)
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
             SELECT 'crowd' || n, 'crowd' || n, 'crowd', 0 FROM n;
             INSERT INTO reports (reporter_id, user_id, reason, created_at)
             SELECT id, {}, 'rude', 0 FROM users WHERE display_name = 'crowd'",
            ann.id
        ));
    };
    add(120);
    let last = reports(&bob, of_user(&ann), 201).await["id"].as_i64().unwrap();
    assert_eq!(last, 121);
    let ids = |page: &Value| -> Vec<i64> {
        page["reports"].as_array().unwrap().iter().map(|report| report["id"].as_i64().unwrap()).collect()
    };
    let upto = |from: i64, to: i64| (to..=from).rev().collect::<Vec<_>>();
    for (query, expected, next) in [
        ("", upto(121, 72), json!(72)),
        ("?before=72", upto(71, 22), json!(22)),
        ("?before=22", upto(21, 1), Value::Null),
        ("?limit=1", upto(121, 121), json!(121)),
        ("?limit=100", upto(121, 22), json!(22)),
        ("?before=22&limit=21", upto(21, 1), Value::Null),
        ("?before=22&limit=20", upto(21, 2), json!(2)),
        ("?before=1", vec![], Value::Null),
        ("?before=9007199254740991&limit=2", upto(121, 120), json!(120)),
    ] {
        let page = page(&eve, query).await;
        assert_eq!((ids(&page), &page["next"]), (expected, &next), "{query}");
    }
    for bad in ["limit=0", "limit=101", "limit=x", "before=0", "before=x", "before=9007199254740992"] {
        eve.get(&format!("/api/admin/reports?{bad}")).await.refused(400, "invalid");
    }
}

both_databases!(a_report_keeps_the_reported_text_after_changes);
async fn a_report_keeps_the_reported_text_after_changes(hub: &mut TestHub) {
    let [ann, bob, cat, eve] = hub.users(["ann", "bob", "cat", "eve"]).await;
    let eve = hub.promote(&eve).await;
    let mut sent = Vec::new();
    for text in ["a threat", "an insult", "a lie"] {
        sent.push(bob.send_rest(&ann, text).await);
    }
    let [threat, insult, lie] = [0, 1, 2].map(|number: usize| format!("/api/messages/{}", sent[number]["id"]));
    for message in &sent {
        let report = ann.post("/api/reports", of_message(message)).await.is(201).ok();
        assert!(report["report"].get("evidence").is_none(), "administrators alone see it: {report}");
    }
    reports(&ann, of_user(&bob), 201).await;
    bob.patch(&threat, json!({"content": "have a nice day"})).await.is(200);
    bob.delete(&format!("{insult}?for=everyone")).await.is(204);
    // A later report has the content of its own time.
    reports(&ann, of_message(&sent[0]), 200).await;
    bob.delete(&format!("/api/conversations/{}", sent[0]["conversation_id"])).await.is(204);
    bob.call_with("DELETE", "/api/auth/me", json!({"password": PASSWORD})).await.is(204);
    let expected = ["bob (@bob)", "a lie", "an insult", "a threat"];
    let seen = listed(&eve).await;
    for (number, text) in expected.into_iter().enumerate() {
        let evidence = &seen[number]["evidence"];
        assert_eq!((&evidence["text"], &evidence["user_id"]), (&json!(text), &json!(bob.id)), "{seen:?}");
    }
    assert_eq!(seen[3]["message"]["content"], "have a nice day");
    assert_eq!(seen[3]["evidence"]["created_at"], sent[0]["created_at"]);
    for user in [&ann, &cat] {
        user.get("/api/admin/reports").await.refused(403, "forbidden");
    }
    let answer = ann.get(&lie).await.ok();
    assert_eq!(answer["message"]["content"], "a lie");
}

both_databases!(evidence_is_erased_after_the_retention, REPORT_RETENTION = "10d");
async fn evidence_is_erased_after_the_retention(hub: &mut TestHub) {
    const DAY: i64 = 24 * 3_600_000;
    let now = Timestamp::from_millis(1_769_860_800_000);
    let clock = Clock::fixed_at(now);
    hub.restart_at(&clock);
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let eve = hub.promote(&eve).await;
    let message = bob.send_rest(&ann, "a threat").await;
    reports(&ann, of_message(&message), 201).await;
    clock.set(Timestamp::from_millis(now.as_millis() + DAY));
    reports(&ann, of_user(&bob), 201).await;
    clock.set(Timestamp::from_millis(now.as_millis() + 10 * DAY));
    hub.restart_at(&clock);
    assert_eq!(listed(&eve).await[1]["evidence"]["text"], "a threat", "not a moment early");
    clock.set(Timestamp::from_millis(now.as_millis() + 10 * DAY + 1));
    hub.restart_at(&clock);
    eventually("the evidence is erased", async || listed(&eve).await[1]["evidence"].is_null()).await;
    let seen = listed(&eve).await;
    assert_eq!((&seen[0]["evidence"]["text"], &seen[1]["reason"]), (&json!("bob (@bob)"), &json!("rude")));
}
