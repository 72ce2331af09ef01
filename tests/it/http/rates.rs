//! Rate limits of one user over all sockets and REST: both sides of each limit, and that the limits
//! are independent.

use crate::harness::{Reply, Socket, TestHub, User, any_database};
use serde_json::{Value, json};

/// The requests run at the same time, so that they come faster than tokens are refilled.
async fn refusals(ann: &User, asks: &[(&'static str, String, Value)], times: usize) -> Vec<Reply> {
    let calls = (0..times).map(|turn| {
        let (method, path, body) = &asks[turn % asks.len()];
        ann.call_with(method, path, body.clone())
    });
    let replies = futures_util::future::join_all(calls).await;
    let (taken, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status < 300);
    assert!(refused.iter().all(|reply| reply.status == 429), "{refused:?}");
    assert_eq!(taken.len() + refused.len(), times);
    refused
}

/// Repeats until one is refused, as tokens are refilled meanwhile.
const TURNS: usize = 50;

async fn use_up(ann: &User, asks: &[(&'static str, String, Value)], times: usize) -> Vec<Reply> {
    for _ in 0..TURNS {
        let refused = refusals(ann, asks, times).await;
        if !refused.is_empty() {
            return refused;
        }
    }
    panic!("no request is ever refused");
}

/// The same over a socket, which handles one frame after the other.
async fn use_up_by(socket: &mut Socket, mut frame: Value, times: usize) -> Value {
    let refs: Vec<Value> = (0..times).map(|number| json!(number.to_string())).collect();
    for _ in 0..TURNS {
        for reference in &refs {
            frame["ref"] = reference.clone();
            socket.frame(frame.clone()).await;
        }
        let mut refused = None;
        for reference in &refs {
            let answer = socket.answer_to(reference).await;
            refused = refused.or_else(|| (answer["type"] == "error").then_some(answer));
        }
        if let Some(error) = refused {
            return error;
        }
    }
    panic!("no request is ever refused");
}

/// Over the limit, both transports say when to retry.
async fn is_refused_on_both_doors(ann: &User, asks: &[(&'static str, String, Value)], frame: Value, times: usize) {
    for reply in use_up(ann, asks, times).await {
        assert_eq!(reply.header("retry-after"), Some("1"), "{reply:?}");
        reply.refused(429, "rate_limited");
    }
    let mut socket = ann.connect().await;
    let error = use_up_by(&mut socket, frame, times).await;
    assert_eq!(error["code"], "rate_limited", "{error}");
    assert!((1..=1000).contains(&error["retry_in_ms"].as_i64().unwrap()), "{error}");
    socket.answers().await;
}

any_database!(marks_have_their_own_rate_limit, MESSAGE_RATE = "1", MESSAGE_BURST = "2");
async fn marks_have_their_own_rate_limit(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    let path = |what: &str| format!("/api/conversations/{id}/{what}");
    let asks = [
        ("POST", path("typing"), json!({"is_typing": true})),
        ("PUT", path("viewing"), json!({})),
        ("DELETE", path("viewing"), json!({})),
        ("POST", path("read"), json!({})),
        ("POST", path("read"), json!({"seq": 1})),
        ("POST", path("delivered"), json!({"seq": 1})),
    ];
    assert!(refusals(&ann, &asks, 20).await.is_empty(), "ten times the burst of messages");
    let types = json!({"type": "typing_indicator", "conversation_id": id, "is_typing": true});
    is_refused_on_both_doors(&ann, &asks, types, 30).await;
    // The limit covers this user and this class of requests only.
    assert!(refusals(&bob, &asks, 20).await.is_empty());
    ann.adds_contact(&bob).await;
    ann.send_rest(&bob, "still").await;
    ann.conversations().await;
}

any_database!(other_changes_have_their_own_rate_limit, MESSAGE_RATE = "1", MESSAGE_BURST = "2");
async fn other_changes_have_their_own_rate_limit(hub: &mut TestHub) {
    let [ann, bob, cid] = hub.users(["ann", "bob", "cid"]).await;
    let message = bob.send_rest(&ann, "hello").await;
    let (group, id) = (json!({"participant_ids": [bob.id, cid.id], "client_id": "g"}), &message["id"]);
    let group = ann.post("/api/conversations", group).await.is(201).ok()["conversation"]["id"].clone();
    let asks = [
        ("PUT", format!("/api/contacts/{}", cid.id), json!({})),
        ("DELETE", format!("/api/contacts/{}", cid.id), json!({})),
        ("PUT", format!("/api/blocks/{}", cid.id), json!({})),
        ("DELETE", format!("/api/blocks/{}", cid.id), json!({})),
        ("PUT", format!("/api/messages/{id}/reactions/%F0%9F%91%8D"), json!({})),
        ("PATCH", format!("/api/conversations/{group}"), json!({"title": "us"})),
        ("PATCH", format!("/api/conversations/{group}/participants/{}", bob.id), json!({"role": "member"})),
        ("POST", "/api/reports".to_owned(), json!({"user_id": cid.id, "reason": "rude"})),
        ("POST", "/api/conversations".to_owned(), json!({"participant_ids": [bob.id]})),
    ];
    // Creating the group above used one token.
    assert!(refusals(&ann, &asks, 9).await.is_empty(), "five times the burst of messages");
    let react = json!({"type": "react", "message_id": id, "emoji": "👍", "on": true});
    is_refused_on_both_doors(&ann, &asks, react, 18).await;
    assert!(refusals(&bob, &asks[1..2], 10).await.is_empty());
    ann.send_rest(&bob, "still").await;
    ann.post(&format!("/api/conversations/{group}/read"), json!({})).await.is(204);
    ann.post("/api/auth/logout", json!({})).await.is(204);
}
