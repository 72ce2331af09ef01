//! Clearing a conversation empties it for the caller, and for nobody else.

use crate::harness::{Model, Socket, TestHub, Transport, User, assert_same, both_databases, kinds, truth};
use serde_json::{Value, json};

async fn clear(user: &User, id: i64) {
    user.delete(&format!("/api/conversations/{id}")).await.is(204);
}

/// A conversation with this many messages of the first user.
async fn written(from: &User, to: &User, count: usize) -> (i64, Vec<Value>) {
    let mut sent = Vec::new();
    for n in 1..=count {
        sent.push(from.send_rest(to, &n.to_string()).await);
    }
    (sent[0]["conversation_id"].as_i64().unwrap(), sent)
}

both_databases!(a_cleared_conversation_disappears_only_for_the_caller);
async fn a_cleared_conversation_disappears_only_for_the_caller(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (id, sent) = written(&ann, &bob, 3).await;
    let before = ann.conversation(id).await;
    let (mut other, mut phone) = (ann.connect().await, bob.connect().await);
    let mut laptop = bob.log_in_again().await.connect().await;
    clear(&bob, id).await;
    for socket in [&mut phone, &mut laptop] {
        let mut update = socket.expect("me_update").await;
        update.as_object_mut().unwrap().remove("timestamp");
        let own_state = json!({"id": id, "cleared_seq": 3, "visible_from_seq": 1, "read_seq": 3});
        assert_eq!(update, json!({"type": "me_update", "me": 1, "conversations": [own_state]}));
        let counts = socket.expect("unread_count_update").await;
        assert_eq!(counts["conversations"], json!({id.to_string(): 0}));
        socket.expect_silence().await;
    }
    assert_eq!((bob.conversations().await, bob.contents(id).await), (vec![], vec![]));
    let with_ann = bob.get(&format!("/api/conversations?with={}", ann.id)).await.ok();
    assert_eq!(with_ann["conversations"], json!([]));
    assert_eq!(bob.get("/api/unread").await.ok()["total_unread"], 0);
    let empty = bob.conversation(id).await;
    assert_eq!((&empty["last_message"], &empty["cleared_seq"]), (&Value::Null, &json!(3)));
    let absent = bob.get("/api/messages/999999").await.body;
    for message in &sent {
        let gone = bob.get(&format!("/api/messages/{}", message["id"])).await;
        assert_eq!((gone.status, gone.body), (404, absent.clone()));
    }
    other.expect_silence().await;
    assert_eq!(ann.conversation(id).await, before, "not even that it was read");
    assert_eq!(ann.contents(id).await, ["1", "2", "3"]);
}

both_databases!(a_new_message_restores_a_cleared_conversation_empty);
async fn a_new_message_restores_a_cleared_conversation_empty(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (id, _) = written(&ann, &bob, 3).await;
    clear(&bob, id).await;
    let mut phone = bob.connect().await;
    let new = ann.send_rest(&bob, "new").await;
    let frame = phone.next().await;
    assert_eq!((&frame["type"], &frame["message"]), (&json!("private_message"), &new));
    let list = bob.conversations().await;
    assert_eq!((list.len(), &list[0]["last_message"], &list[0]["unread_count"]), (1, &new, &json!(1)));
    assert_eq!(bob.contents(id).await, ["new"]);
    for query in ["?before_seq=4", "?after_seq=0&limit=2", "?limit=200"] {
        let page = bob.history(id, query).await;
        let messages = page["messages"].as_array().unwrap();
        assert!(messages.iter().all(|message| message["seq"] == 4) && page["has_more"] == false, "{query}: {page}");
    }
    // Reading works as usual from here on, and the sender sees it.
    bob.post(&format!("/api/conversations/{id}/read"), json!({})).await.is(204);
    let places = ann.conversation(id).await["participants"].clone();
    let of_bob = places.as_array().unwrap().iter().find(|row| row["user_id"] == bob.id).unwrap().clone();
    assert_eq!((&of_bob["read_seq"], &of_bob["delivered_seq"]), (&json!(4), &json!(4)));
    clear(&bob, id).await;
    assert_eq!(bob.conversations().await, Vec::<Value>::new(), "and again");
    assert_eq!(ann.contents(id).await, ["1", "2", "3", "new"]);
}

both_databases!(clearing_a_cleared_conversation_changes_nothing);
async fn clearing_a_cleared_conversation_changes_nothing(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (id, _) = written(&ann, &bob, 2).await;
    clear(&bob, id).await;
    let mut phone = bob.connect().await;
    clear(&bob, id).await;
    let frames = phone.received().await;
    assert!(frames.iter().all(|frame| frame["type"] != "me_update"), "{frames:?}");
    assert_eq!(bob.post("/api/sync", json!({"only": true})).await.ok()["me"], 1);
}

both_databases!(a_user_can_clear_only_their_own_conversations);
async fn a_user_can_clear_only_their_own_conversations(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let (id, _) = written(&ann, &bob, 1).await;
    let foreign = eve.delete(&format!("/api/conversations/{id}")).await;
    let absent = eve.delete("/api/conversations/999999").await;
    assert_eq!(foreign.body, absent.body);
    foreign.refused(404, "not_found");
    eve.delete("/api/conversations/zero").await.refused(400, "invalid");
    hub.visitor().delete(&format!("/api/conversations/{id}")).await.refused(401, "unauthenticated");
    assert_eq!(ann.contents(id).await, ["1"]);
}

both_databases!(changes_to_cleared_messages_arrive_as_skip_frames);
async fn changes_to_cleared_messages_arrive_as_skip_frames(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (id, sent) = written(&ann, &bob, 2).await;
    clear(&bob, id).await;
    let (mut laptop, mut phone) = (ann.connect().await, bob.connect().await);
    let mut transport = Transport::Rest(ann.clone());
    transport.ok("edit_message", json!({"message_id": sent[0]["id"], "content": "other"})).await;
    transport.ok("delete_message", json!({"message_id": sent[1]["id"], "for": "everyone"})).await;
    assert_eq!(kinds(&laptop.arrived().await), ["message_edited", "message_deleted"]);
    let skips = phone.arrived().await;
    assert_eq!(kinds(&skips), ["skip", "skip"]);
    assert_eq!((&skips[0]["rev"], &skips[1]["rev"]), (&json!(4), &json!(5)));
    assert_eq!(bob.conversations().await, Vec::<Value>::new(), "the conversation stays cleared");
}

both_databases!(online_and_offline_devices_end_in_the_same_state);
async fn online_and_offline_devices_end_in_the_same_state(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (id, sent) = written(&ann, &bob, 3).await;
    let mut before = truth(&bob).await;
    let mut live = before.clone();
    let mut phone = bob.connect().await;
    clear(&bob, id).await;
    let mut transport = Transport::Rest(ann.clone());
    transport.ok("edit_message", json!({"message_id": sent[1]["id"], "content": "other"})).await;
    let follow = async |phone: &mut Socket, live: &mut Model| {
        phone.all_arrived().await.iter().for_each(|frame| live.frame(frame));
        while live.wants_sync() {
            let answer = bob.post("/api/sync", live.ask()).await.ok();
            live.answer(&answer);
        }
    };
    follow(&mut phone, &mut live).await;
    assert!(live.shown(id).is_empty(), "{:?}", live.shown(id));
    // A new device does not learn of it from sync, and syncs when a frame comes.
    let mut new = truth(&bob).await;
    assert!(new.conversations.is_empty());
    let mut tablet = bob.connect().await;
    ann.post(&format!("/api/conversations/{id}/read"), json!({})).await.is(204);
    transport.ok("edit_message", json!({"message_id": sent[0]["id"], "content": "more"})).await;
    follow(&mut tablet, &mut new).await;
    assert!(new.conversations.contains_key(&id) && new.shown(id).is_empty() && new.is_at_rest());
    ann.send_rest(&bob, "new").await;
    follow(&mut tablet, &mut new).await;
    follow(&mut phone, &mut live).await;
    let answer = bob.post("/api/sync", before.ask()).await.ok();
    assert_eq!(answer["mine"]["conversations"][0]["cleared_seq"], 3);
    before.answer(&answer);
    let expected = truth(&bob).await;
    for (model, who) in [(&live, "there"), (&before, "away"), (&new, "new")] {
        assert_same(model, &expected, who);
        assert_eq!(model.shown(id).len(), 1, "{who}");
    }
}
