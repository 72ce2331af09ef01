//! Users who may not write get a clear refusal, the same over HTTP and the socket, and nothing is
//! stored or delivered.

use crate::harness::{Socket, TestHub, User, both_databases};
use serde_json::{Value, json};

fn frame(target: &Value, content: &str) -> Value {
    let mut frame = json!({"type": "private_message", "content": content});
    frame.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
    frame
}

fn to_user(user: &User) -> Value {
    json!({"recipient_id": user.id})
}

/// Checks that the sender is refused on both transports with the same message, which is returned,
/// and that nothing is stored or delivered.
async fn refused(hub: &TestHub, sender: &User, target: &Value, status: u16, code: &str) -> String {
    let mut phone = sender.connect().await;
    let (stored, listed) = (hub.stored(), sender.conversations().await);
    let detail = sender.post("/api/messages", frame(target, "no")).await.refused(status, code);
    assert_eq!(phone.refused(frame(target, "no")).await, (code.to_owned(), detail.clone()));
    assert_eq!(hub.stored(), stored, "no row is stored");
    assert_eq!(sender.conversations().await, listed);
    phone.expect_silence().await;
    detail
}

/// The same for typing.
async fn typing_refused(sender: &User, conversation_id: &Value, status: u16, code: &str) -> String {
    let path = format!("/api/conversations/{conversation_id}/typing");
    let detail = sender.post(&path, json!({"is_typing": true})).await.refused(status, code);
    let frame = json!({"type": "typing_indicator", "conversation_id": conversation_id, "is_typing": true});
    assert_eq!(sender.connect().await.refused(frame).await, (code.to_owned(), detail.clone()));
    detail
}

both_databases!(a_block_stops_messages_and_typing_in_both_directions);
async fn a_block_stops_messages_and_typing_in_both_directions(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = json!(ann.gets_to_know(&bob).await);
    let (mut ann_socket, mut bob_socket) = (ann.connect().await, bob.connect().await);
    bob.blocks(&ann).await;
    for target in [to_user(&bob), json!({"conversation_id": id})] {
        let detail = refused(hub, &ann, &target, 403, "forbidden").await;
        assert!(!detail.contains("block"), "the error does not reveal the block: {detail}");
    }
    for target in [to_user(&ann), json!({"conversation_id": id})] {
        let detail = refused(hub, &bob, &target, 403, "forbidden").await;
        assert!(detail.contains("you have blocked"), "{detail}");
    }
    typing_refused(&ann, &id, 403, "forbidden").await;
    typing_refused(&bob, &id, 403, "forbidden").await;
    ann_socket.expect_silence().await;
    bob_socket.expect_silence().await;
    bob.unblocks(&ann).await;
    ann.send_rest(&bob, "again").await;
    assert_eq!(bob_socket.next().await["message"]["content"], "again");
}

both_databases!(a_blocked_stranger_cannot_create_a_conversation);
async fn a_blocked_stranger_cannot_create_a_conversation(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut bob_socket = bob.connect().await;
    bob.blocks(&ann).await;
    refused(hub, &ann, &to_user(&bob), 403, "forbidden").await;
    refused(hub, &bob, &to_user(&ann), 403, "forbidden").await;
    assert_eq!(hub.stored(), [0, 0, 0]);
    bob_socket.expect_silence().await;
}

both_databases!(the_contacts_policy_admits_only_known_senders, MESSAGE_POLICY = "contacts");
async fn the_contacts_policy_admits_only_known_senders(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let mut bob_socket = bob.connect().await;
    let as_stranger = refused(hub, &ann, &to_user(&bob), 403, "forbidden").await;
    ann.adds_contact(&bob).await;
    refused(hub, &ann, &to_user(&bob), 403, "forbidden").await;
    bob_socket.expect_silence().await;
    bob.adds_contact(&ann).await;
    ann.send_rest(&bob, "you know me").await;
    assert_eq!(bob_socket.expect("private_message").await["message"]["content"], "you know me");
    // Ann wrote to Bob, so he may answer, although she removed him from her contacts meanwhile.
    ann.removes_contact(&bob).await;
    bob_socket.send(&ann, "an answer").await;
    // Bob has answered, so Ann may write to him, although he removes her from his contacts.
    bob.removes_contact(&ann).await;
    ann.send_rest(&bob, "still here").await;
    bob.blocks(&cat).await;
    let as_blocked = refused(hub, &cat, &to_user(&bob), 403, "forbidden").await;
    assert_eq!(as_blocked, as_stranger, "a blocked user gets the answer of a stranger");
}

both_databases!(a_former_contact_without_a_reply_is_a_stranger_again, MESSAGE_POLICY = "contacts");
async fn a_former_contact_without_a_reply_is_a_stranger_again(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    bob.adds_contact(&ann).await;
    let id = ann.send_rest(&bob, "hi").await["conversation_id"].clone();
    bob.removes_contact(&ann).await;
    // Ann has written and Bob has not: she is a stranger to him again.
    refused(hub, &ann, &to_user(&bob), 403, "forbidden").await;
    refused(hub, &ann, &json!({"conversation_id": id}), 403, "forbidden").await;
}

both_databases!(a_message_to_the_sender_or_a_missing_user_is_refused);
async fn a_message_to_the_sender_or_a_missing_user_is_refused(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let detail = refused(hub, &ann, &to_user(&ann), 400, "invalid").await;
    assert!(detail.contains("recipient_id"), "{detail}");
    refused(hub, &ann, &json!({"recipient_id": 9_007_199_254_740_991_i64}), 404, "not_found").await;
    let mut phone = ann.connect().await;
    let typing = |id: i64| json!({"type": "typing_indicator", "recipient_id": id, "is_typing": true});
    assert_eq!(phone.refused(typing(ann.id)).await.0, "invalid");
    assert_eq!(phone.refused(typing(999_999)).await.0, "not_found");
    assert_eq!(hub.stored(), [0, 0, 0]);
}

/// The frame of a refusal without the parts that differ each time.
async fn refusal(socket: &mut Socket, frame: Value) -> Value {
    let mut answer = socket.call(frame).await;
    assert_eq!(answer["type"], "error");
    for key in ["ref", "timestamp"] {
        answer.as_object_mut().unwrap().remove(key);
    }
    answer
}

both_databases!(inaccessible_and_missing_conversations_answer_the_same);
async fn inaccessible_and_missing_conversations_answer_the_same(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let real = ann.gets_to_know(&bob).await;
    let missing = real + 1000;
    let (mut ann_socket, mut bob_socket, mut spy) = (ann.connect().await, bob.connect().await, eve.connect().await);
    let stored = hub.stored();
    for path in ["", "/messages", "/messages?limit=1&before_seq=1"] {
        let one = eve.get(&format!("/api/conversations/{real}{path}")).await;
        let other = eve.get(&format!("/api/conversations/{missing}{path}")).await;
        assert_eq!(one.body, other.body, "{path}");
        one.refused(404, "not_found");
    }
    for (path, body) in [("/messages", json!({"content": "hi"})), ("/typing", json!({"is_typing": true}))] {
        let one = eve.post(&format!("/api/conversations/{real}{path}"), body.clone()).await;
        let other = eve.post(&format!("/api/conversations/{missing}{path}"), body).await;
        assert_eq!(one.body, other.body, "{path}");
        one.refused(404, "not_found");
    }
    for method in ["PUT", "DELETE"] {
        let one = eve.call(method, &format!("/api/conversations/{real}/viewing")).await;
        let other = eve.call(method, &format!("/api/conversations/{missing}/viewing")).await;
        assert_eq!(one.body, other.body, "{method}");
        one.refused(404, "not_found");
    }
    let write = |id: i64| json!({"type": "private_message", "conversation_id": id, "content": "hi"});
    let post = |id: i64| json!({"conversation_id": id, "content": "hi"});
    let one = eve.post("/api/messages", post(real)).await;
    assert_eq!(one.body, eve.post("/api/messages", post(missing)).await.body);
    let types = |id: i64| json!({"type": "typing_indicator", "conversation_id": id, "is_typing": true});
    assert_eq!(refusal(&mut spy, write(real)).await, refusal(&mut spy, write(missing)).await);
    assert_eq!(refusal(&mut spy, types(real)).await, refusal(&mut spy, types(missing)).await);
    assert_eq!(spy.refused(write(real)).await, ("not_found".into(), one.refused(404, "not_found")));
    assert_eq!(hub.stored(), stored);
    for socket in [&mut ann_socket, &mut bob_socket, &mut spy] {
        socket.expect_silence().await;
    }
}

both_databases!(a_direct_conversation_sends_nothing_to_third_users);
async fn a_direct_conversation_sends_nothing_to_third_users(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let mut spy = eve.connect().await;
    let (mut phone, mut other) = (ann.connect().await, bob.connect().await);
    phone.send(&bob, "between us").await;
    phone.types(&bob, true).await;
    other.send(&ann, "so it is").await;
    spy.expect_silence().await;
    assert_eq!(eve.conversations().await, Vec::<Value>::new());
}
