//! Retries: with the same `client_message_id` nothing happens twice, and the answer is the first
//! message.

use crate::harness::{TestHub, User, both_databases, kinds};
use serde_json::{Value, json};

fn body(to: &User, content: &str, key: &str) -> Value {
    json!({"recipient_id": to.id, "content": content, "client_message_id": key})
}

fn frame(to: &User, content: &str, key: &str) -> Value {
    let mut frame = body(to, content, key);
    frame["type"] = json!("private_message");
    frame
}

both_databases!(a_retry_gets_the_first_message_over_rest_and_socket);
async fn a_retry_gets_the_first_message_over_rest_and_socket(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut phone, mut bob_socket) = (ann.connect().await, bob.connect().await);
    let over_rest = ann.post("/api/messages", body(&bob, "hi", "a")).await.is(201).ok()["message"].clone();
    let over_socket = phone.ack(frame(&bob, "hi", "b")).await;
    assert!(over_socket.get("duplicate").is_none());
    for (key, first) in [("a", &over_rest), ("b", &over_socket["message"])] {
        let again = ann.post("/api/messages", body(&bob, "hi", key)).await.is(200).ok();
        assert_eq!(&again["message"], first);
        let again = phone.ack(frame(&bob, "hi", key)).await;
        assert_eq!((&again["message"], &again["duplicate"]), (first, &json!(true)));
        let by_id = json!({"type": "private_message", "conversation_id": first["conversation_id"], "content": "hi",
                           "client_message_id": key});
        assert_eq!(phone.ack(by_id).await["message"], *first, "the same target by another name");
        let path = format!("/api/conversations/{}/messages", first["conversation_id"]);
        let by_path = ann.post(&path, json!({"content": "hi", "client_message_id": key})).await.is(200).ok();
        assert_eq!(by_path["message"], *first);
    }
    assert_eq!(hub.stored(), [2, 1, 2]);
    for expected in ["conversation_update", "private_message", "private_message"] {
        assert_eq!(bob_socket.next().await["type"], expected);
    }
    bob_socket.expect_silence().await;
}

both_databases!(a_retry_after_a_restart_returns_the_first_message);
async fn a_retry_after_a_restart_returns_the_first_message(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let first = ann.post("/api/messages", body(&bob, "hi", "a")).await.is(201).ok()["message"].clone();
    hub.restart();
    let again = ann.post("/api/messages", body(&bob, "hi", "a")).await.is(200).ok();
    assert_eq!(again["message"], first);
    assert_eq!(ann.connect().await.ack(frame(&bob, "hi", "a")).await["message"], first);
    assert_eq!(hub.stored(), [1, 1, 2]);
}

both_databases!(concurrent_copies_of_a_message_are_stored_once);
async fn concurrent_copies_of_a_message_are_stored_once(hub: &mut TestHub) {
    const ROUNDS: i64 = 25;
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut bob_socket = bob.connect().await;
    let (mut one, mut two, mut three) = (ann.connect().await, ann.connect().await, ann.connect().await);
    for round in 0..ROUNDS {
        let key = format!("round-{round}");
        let copy = || frame(&bob, "hi", &key);
        let (one, two, three, four, five) = tokio::join!(
            one.ack(copy()),
            two.ack(copy()),
            three.ack(copy()),
            ann.post("/api/messages", copy()),
            ann.post("/api/messages", copy()),
        );
        let from_rest = [four, five].map(|reply| {
            let is_first = reply.status == 201;
            (reply.ok()["message"].clone(), is_first)
        });
        let from_sockets = [one, two, three].map(|ack| (ack["message"].clone(), ack.get("duplicate").is_none()));
        let answers: Vec<_> = from_sockets.into_iter().chain(from_rest).collect();
        assert_eq!(answers.iter().filter(|(_, is_first)| *is_first).count(), 1, "one of them was the first");
        assert!(answers.iter().all(|(message, _)| *message == answers[0].0), "{answers:#?}");
        assert_eq!(bob_socket.expect("private_message").await["message"], answers[0].0);
    }
    assert_eq!(hub.stored(), [ROUNDS, 1, 2]);
    let left = bob_socket.arrived().await;
    assert_eq!(kinds(&left), ["conversation_update"], "each message came once");
}

both_databases!(two_users_may_use_the_same_client_message_id);
async fn two_users_may_use_the_same_client_message_id(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let from_ann = ann.post("/api/messages", body(&bob, "hi", "same")).await.is(201).ok();
    let from_bob = bob.post("/api/messages", body(&ann, "hi", "same")).await.is(201).ok();
    assert_ne!(from_ann["message"]["id"], from_bob["message"]["id"]);
    assert_eq!(hub.stored(), [2, 1, 2]);
}

both_databases!(reusing_an_id_for_another_message_is_a_conflict);
async fn reusing_an_id_for_another_message_is_a_conflict(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let (mut phone, mut cat_socket) = (ann.connect().await, cat.connect().await);
    let other = ann.send_rest(&cat, "hi").await["conversation_id"].clone();
    ann.post("/api/messages", body(&bob, "hi", "a")).await.is(201);
    cat_socket.expect("private_message").await;
    cat_socket.expect("conversation_update").await;
    let before = hub.stored();
    let elsewhere =
        json!({"type": "private_message", "conversation_id": other, "content": "hi", "client_message_id": "a"});
    for changed in [frame(&bob, "hi!", "a"), frame(&cat, "hi", "a"), elsewhere] {
        let detail = ann.post("/api/messages", changed.clone()).await.refused(409, "conflict");
        assert!(detail.contains("client_message_id"), "{detail}");
        assert_eq!(phone.refused(changed).await, ("conflict".into(), detail));
    }
    assert_eq!(hub.stored(), before);
    cat_socket.expect_silence().await;
}

both_databases!(a_retry_succeeds_over_the_rate_limit, MESSAGE_RATE = "1", MESSAGE_BURST = "2");
async fn a_retry_succeeds_over_the_rate_limit(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut phone = ann.connect().await;
    let first = ann.post("/api/messages", body(&bob, "hi", "first")).await.is(201).ok()["message"].clone();
    // Every token left of the burst is used up here, so the next new message is refused.
    let mut number = 0;
    while phone.call(frame(&bob, "more", &format!("more-{number}"))).await["type"] == "ack" {
        number += 1;
    }
    let before = hub.stored();
    for _ in 0..5 {
        let again = ann.post("/api/messages", body(&bob, "hi", "first")).await.is(200).ok();
        assert_eq!(again["message"], first);
        let again = phone.ack(frame(&bob, "hi", "first")).await;
        assert_eq!((&again["message"], &again["duplicate"]), (&first, &json!(true)));
    }
    assert_eq!(hub.stored(), before);
}

both_databases!(a_retry_succeeds_after_the_recipient_blocked_the_sender);
async fn a_retry_succeeds_after_the_recipient_blocked_the_sender(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut phone = ann.connect().await;
    let first = phone.ack(frame(&bob, "hi", "a")).await["message"].clone();
    bob.blocks(&ann).await;
    let again = ann.post("/api/messages", body(&bob, "hi", "a")).await.is(200).ok();
    assert_eq!(again["message"], first);
    assert_eq!(phone.ack(frame(&bob, "hi", "a")).await["message"], first);
    ann.post("/api/messages", body(&bob, "hi", "b")).await.refused(403, "forbidden");
    assert_eq!(hub.stored(), [1, 1, 2]);
}

both_databases!(the_same_text_twice_without_an_id_is_two_messages);
async fn the_same_text_twice_without_an_id_is_two_messages(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (first, second) = (ann.send_rest(&bob, "hi").await, ann.send_rest(&bob, "hi").await);
    assert_ne!(first["id"], second["id"]);
    assert_eq!(hub.stored(), [2, 1, 2]);
}
