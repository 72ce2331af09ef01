//! Replies: a message that names the one it answers.

use crate::harness::{TestHub, Transport, both_databases, refused_on_both};
use serde_json::{Value, json};

fn reply(conversation_id: &Value, to: &Value, content: &str) -> Value {
    json!({"conversation_id": conversation_id, "content": content, "reply_to_id": to})
}

both_databases!(a_reply_names_its_original_wherever_it_is_read);
async fn a_reply_names_its_original_wherever_it_is_read(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let asked = ann.send_rest(&bob, "how are you?").await;
    let id = asked["conversation_id"].clone();
    let mut phone = ann.connect().await;
    for mut transport in Transport::both(&bob).await {
        let answer = transport.ok("private_message", reply(&id, &asked["id"], "fine")).await["message"].clone();
        assert_eq!(answer["reply_to_id"], asked["id"]);
        assert_eq!(phone.next().await["message"], answer);
        assert_eq!(ann.history(id.as_i64().unwrap(), "?limit=1").await["messages"], json!([answer]));
        let by_person = json!({"recipient_id": ann.id, "content": "fine", "reply_to_id": asked["id"]});
        let answer = transport.ok("private_message", by_person).await["message"].clone();
        assert_eq!((&phone.next().await["message"], &answer["reply_to_id"]), (&answer, &asked["id"]));
    }
    let path = format!("/api/conversations/{id}/messages");
    let answer = bob.post(&path, json!({"content": "fine", "reply_to_id": asked["id"]})).await.is(201).ok();
    assert_eq!(answer["message"]["reply_to_id"], asked["id"]);
}

both_databases!(a_reply_needs_a_visible_message_of_the_same_conversation);
async fn a_reply_needs_a_visible_message_of_the_same_conversation(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let mut cleared = Vec::new();
    for content in ["cleared", "hidden"] {
        cleared.push(ann.send_rest(&bob, content).await);
    }
    let id = cleared[0]["conversation_id"].clone();
    let elsewhere = cat.send_rest(&bob, "elsewhere").await;
    let foreign = ann.send_rest(&cat, "foreign").await;
    let mut transport = Transport::Rest(bob.clone());
    transport.ok("delete_message", json!({"message_id": cleared[1]["id"], "for": "me"})).await;
    let mut phone = ann.connect().await;
    let mut refused = Vec::new();
    for to in [&elsewhere["id"], &foreign["id"], &cleared[1]["id"], &json!(999_999)] {
        refused.push(refused_on_both(&bob, "private_message", reply(&id, to, "fine")).await);
    }
    bob.delete(&format!("/api/conversations/{id}")).await.is(204);
    refused.push(refused_on_both(&bob, "private_message", reply(&id, &cleared[0]["id"], "fine")).await);
    let expected = ("invalid".to_owned(), "reply_to_id must be a message of the same conversation".to_owned());
    assert!(refused.iter().all(|refusal| *refusal == expected), "{refused:?}");
    for to in [json!(0), json!("1"), json!(1.5)] {
        let (code, words) = refused_on_both(&bob, "private_message", reply(&id, &to, "fine")).await;
        assert!(code == "invalid" && words.starts_with("reply_to_id"), "{words}");
    }
    phone.expect_silence().await;
    let first = json!({"recipient_id": 999_999, "content": "x", "reply_to_id": elsewhere["id"]});
    assert_eq!(refused_on_both(&bob, "private_message", first).await.0, "not_found");
}

both_databases!(a_deleted_message_may_be_replied_to);
async fn a_deleted_message_may_be_replied_to(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let asked = ann.send_rest(&bob, "forget it").await;
    let id = asked["conversation_id"].clone();
    let mut by_bob = Transport::Rest(bob.clone());
    let before = by_bob.ok("private_message", reply(&id, &asked["id"], "why?")).await["message"].clone();
    Transport::Rest(ann.clone()).ok("delete_message", json!({"message_id": asked["id"], "for": "everyone"})).await;
    let after = by_bob.ok("private_message", reply(&id, &asked["id"], "what was it?")).await["message"].clone();
    for message in [before, after] {
        let now = ann.get(&format!("/api/messages/{}", message["id"])).await.ok()["message"].clone();
        assert_eq!(now["reply_to_id"], asked["id"]);
    }
}

both_databases!(a_retry_that_replies_to_another_message_is_a_conflict);
async fn a_retry_that_replies_to_another_message_is_a_conflict(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (one, two) = (ann.send_rest(&bob, "one").await, ann.send_rest(&bob, "two").await);
    let keyed = |to: Value| {
        let mut body = reply(&one["conversation_id"], &to, "yes");
        body["client_message_id"] = json!("key");
        body
    };
    let mut transport = Transport::Rest(bob.clone());
    let sent = transport.ok("private_message", keyed(one["id"].clone())).await["message"].clone();
    for other in [two["id"].clone(), Value::Null] {
        assert_eq!(refused_on_both(&bob, "private_message", keyed(other)).await.0, "conflict");
    }
    // The retry is answered before the message it replies to is checked.
    transport.ok("delete_message", json!({"message_id": one["id"], "for": "me"})).await;
    let again = transport.ok("private_message", keyed(one["id"].clone())).await;
    assert_eq!(again, json!({"message": sent, "duplicate": true}));
}
