//! A user in more groups than a statement can bind values, written directly into the database.
//! Every call works, and runs as few queries as for any other user.

use crate::harness::{Socket, TestHub, User, both_databases};
use crate::rules::query_counts::{caller, count_queries, from};
use serde_json::json;
use switchboard::ids::{ConversationId, UserId};
use switchboard::ops::conversations::list_conversations::ListConversations;
use switchboard::ops::logins::open_session::OpenSession;
use switchboard::ops::op::{Op, System};
use switchboard::ops::people::{set_block::SetBlock, set_contact::SetContact};
use switchboard::ops::presence::announce_presence::AnnouncePresence;
use switchboard::ops::receipts::get_unread::GetUnread;
use switchboard::ops::search::search_messages::Search;
use switchboard::ops::sync::Sync;

/// More than SQLite binds, or Postgres parses in one search.
const GROUPS: i64 = 33_000;

/// Creates this many groups of two; each tenth has a message.
fn put_into_groups(hub: &TestHub, who: &User, other: &User, groups: i64) {
    let (who, other) = (who.id, other.id);
    hub.database.execute(&format!(
        "INSERT INTO conversations (kind, title, created_by, created_at, active_at, last_seq, rev, member_count)
         WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {groups})
         SELECT 'group', 'many', {other}, n, n, CASE n % 10 WHEN 0 THEN 1 ELSE 0 END,
             CASE n % 10 WHEN 0 THEN 2 ELSE 1 END, 2 FROM number;
         INSERT INTO participants (conversation_id, user_id, role, joined_at, rev, added_by)
         SELECT id, {other}, 'owner', 0, 1, NULL FROM conversations WHERE title = 'many' AND created_by = {other};
         INSERT INTO participants (conversation_id, user_id, role, joined_at, rev, added_by)
         SELECT id, {who}, 'member', 0, 1, {other} FROM conversations WHERE title = 'many' AND created_by = {other};
         INSERT INTO messages (conversation_id, seq, rev, sender_id, content, created_at)
         SELECT id, 1, 2, {other}, 'hello ' || id, 0 FROM conversations
         WHERE title = 'many' AND created_by = {other} AND last_seq = 1;
         UPDATE users SET group_count = {groups} WHERE id IN ({who}, {other})"
    ));
}

both_databases!(every_call_works_for_a_user_in_33_000_groups);
async fn every_call_works_for_a_user_in_33_000_groups(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    put_into_groups(hub, &ann, &bob, GROUPS);
    let id = ann.conversations().await[0]["id"].as_i64().unwrap();
    let message = ann.send_rest(&cat, "hi").await["id"].as_i64().unwrap();
    let (welcome, _) = Socket::open(&ann).await.welcome().await;
    assert_eq!(welcome["user_id"], ann.id);
    let at = |tail: &str| format!("/api/conversations/{id}{tail}");
    for (method, path, body) in [
        ("GET", "/api/conversations?limit=200".to_owned(), json!({})),
        ("GET", at(""), json!({})),
        ("GET", at("/messages"), json!({})),
        ("GET", at("/participants"), json!({})),
        ("GET", "/api/search?q=hello".to_owned(), json!({})),
        ("GET", "/api/search?q=hel&limit=100".to_owned(), json!({})),
        ("GET", "/api/unread".to_owned(), json!({})),
        ("GET", "/api/users?q=bo".to_owned(), json!({})),
        ("GET", format!("/api/messages/{message}"), json!({})),
        ("GET", format!("/api/messages/{message}/receipts"), json!({})),
        ("POST", "/api/sync".to_owned(), json!({})),
        ("POST", at("/read"), json!({})),
        ("POST", at("/typing"), json!({"is_typing": true})),
        ("POST", at("/typing"), json!({"is_typing": false})),
        ("POST", at("/messages"), json!({"content": "hi all"})),
        ("PUT", at("/viewing"), json!({})),
        ("DELETE", at("/viewing"), json!({})),
        ("PUT", format!("/api/contacts/{}", bob.id), json!({})),
        ("DELETE", format!("/api/contacts/{}", bob.id), json!({})),
        ("PUT", format!("/api/blocks/{}", bob.id), json!({})),
        ("DELETE", format!("/api/blocks/{}", bob.id), json!({})),
        ("DELETE", at(""), json!({})),
        ("DELETE", at(&format!("/participants/{}", ann.id)), json!({})),
        ("DELETE", "/api/auth/me".to_owned(), json!({"password": crate::harness::PASSWORD})),
    ] {
        let reply = match body == json!({}) && method != "POST" {
            true => ann.call(method, &path).await,
            false => ann.call_with(method, &path, body).await,
        };
        assert!(reply.status < 300, "{method} {path}: {}", reply.body);
    }
}

both_databases!(a_user_in_5_000_groups_needs_no_more_queries_than_in_10);
async fn a_user_in_5_000_groups_needs_no_more_queries_than_in_10(hub: &mut TestHub) {
    let [ann, bob, cat, dan] = hub.users(["ann", "bob", "cat", "dan"]).await;
    put_into_groups(hub, &ann, &bob, 10);
    put_into_groups(hub, &cat, &dan, 5_000);
    let counts = |who: &User, other: &User| -> Vec<(&'static str, usize)> {
        let id: ConversationId = hub
            .database
            .texts(&format!("SELECT CAST(max(id) AS TEXT) AS line FROM conversations WHERE created_by = {}", other.id))
            .remove(0)
            .parse()
            .unwrap();
        let (me, other) = (UserId::new(who.id), UserId::new(other.id));
        let who = caller(who);
        let page = ListConversations { limit: Some(5), ..ListConversations::default() };
        let sync: Sync = from(json!({"conversations": {id.to_string(): 1}, "only": true}));
        let search: Search = from(json!({"q": "hello", "limit": 5}));
        let presence = AnnouncePresence { changes: vec![(me, true)] };
        vec![
            ("open_session", count_queries(hub, |cx| OpenSession.run(&who, cx).map(drop))),
            ("list_conversations", count_queries(hub, |cx| page.run(&who, cx).map(drop))),
            ("get_unread", count_queries(hub, |cx| GetUnread {}.run(&who, cx).map(drop))),
            ("sync", count_queries(hub, |cx| sync.run(&who, cx).map(drop))),
            ("search", count_queries(hub, |cx| search.run(&who, cx).map(drop))),
            ("announce_presence", count_queries(hub, |cx| presence.run(&System, cx).map(drop))),
            (
                "set_block",
                count_queries(hub, |cx| SetBlock { user_id: other, is_blocked: true }.run(&who, cx).map(drop)),
            ),
            (
                "set_contact",
                count_queries(hub, |cx| SetContact { user_id: other, is_contact: true }.run(&who, cx).map(drop)),
            ),
        ]
    };
    for ((name, many), (_, few)) in counts(&cat, &dan).into_iter().zip(counts(&ann, &bob)) {
        assert!(many <= few, "{name}: {many} queries for a user in 5,000 groups, and {few} for a user in 10");
    }
}
