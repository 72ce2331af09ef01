//! Edits replace the text of a sent message for everybody and everywhere.

use crate::harness::{TestHub, Transport, User, assert_same, both_databases, kinds, refused_on_both, truth};
use serde_json::{Value, json};

fn edit(message: &Value, content: &str) -> Value {
    json!({"message_id": message["id"], "content": content})
}

async fn message(user: &User, id: &Value) -> Value {
    user.get(&format!("/api/messages/{id}")).await.ok()["message"].clone()
}

both_databases!(an_edit_is_stored_and_sent_to_every_device);
async fn an_edit_is_stored_and_sent_to_every_device(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    for mut transport in Transport::both(&ann).await {
        let sent = ann.send_rest(&bob, "frist").await;
        let unread = bob.get("/api/unread").await.ok();
        let (mut laptop, mut phone) = (ann.log_in_again().await.connect().await, bob.connect().await);
        let edited = transport.ok("edit_message", edit(&sent, "first")).await["message"].clone();
        let mut expected = sent.clone();
        expected["content"] = json!("first");
        expected["rev"] = json!(sent["rev"].as_i64().unwrap() + 1);
        expected["edited_at"] = edited["edited_at"].clone();
        assert!(edited["edited_at"].as_str() >= sent["created_at"].as_str(), "{edited}");
        assert_eq!(edited, expected, "the rest is as it was");
        for socket in [&mut laptop, &mut phone] {
            let frame = socket.next().await;
            assert_eq!(frame["type"], "message_edited");
            assert_eq!((&frame["conversation_id"], &frame["rev"]), (&json!(id), &edited["rev"]));
            assert_eq!(frame["message"], edited);
            socket.expect_silence().await;
        }
        for user in [&ann, &bob] {
            assert_eq!(message(user, &sent["id"]).await, edited);
            assert_eq!(user.history(id, "?limit=1").await["messages"], json!([edited]));
            assert_eq!(user.conversations().await[0]["last_message"], edited);
        }
        assert_eq!(bob.get("/api/unread").await.ok(), unread, "an edit is no news");
    }
}

both_databases!(an_offline_client_gets_an_edited_message_once);
async fn an_offline_client_gets_an_edited_message_once(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let [mut transport, _] = Transport::both(&ann).await;
    let sent = ann.send_rest(&bob, "one").await;
    let id = sent["conversation_id"].to_string();
    for n in 2..=5 {
        ann.send_rest(&bob, &n.to_string()).await;
    }
    for content in ["two", "three"] {
        transport.ok("edit_message", edit(&sent, content)).await;
    }
    for (held, expected) in [(0, 5), (2, 5), (6, 1), (7, 1), (8, 0)] {
        let answer = bob.post("/api/sync", json!({"conversations": {&id: held}})).await.ok();
        let Some(changed) = answer["conversations"].get(0) else {
            assert_eq!(expected, 0, "from {held}");
            continue;
        };
        let rows = changed["messages"].as_array().unwrap();
        assert_eq!((rows.len(), &changed["rev"]), (expected, &json!(8)), "from {held}");
        let edited: Vec<&Value> = rows.iter().filter(|row| row["id"] == sent["id"]).collect();
        assert_eq!((edited.len(), &edited[0]["content"], &edited[0]["rev"]), (1, &json!("three"), &json!(8)));
    }
}

both_databases!(a_change_to_an_unloaded_message_leaves_no_gap);
async fn a_change_to_an_unloaded_message_leaves_no_gap(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let first = ann.send_rest(&bob, "first").await;
    let id = first["conversation_id"].as_i64().unwrap();
    for n in 2..=60 {
        ann.send_rest(&bob, &n.to_string()).await;
    }
    let (mut live, mut away) = (truth(&bob).await, truth(&bob).await);
    assert_eq!(live.shown(id).into_keys().collect::<Vec<_>>(), (11..=60).collect::<Vec<_>>());
    let mut phone = bob.connect().await;
    let mut transport = Transport::Rest(ann.clone());
    transport.ok("edit_message", edit(&first, "edited")).await;
    live.frame(&phone.next().await);
    let answer = bob.post("/api/sync", away.ask()).await.ok();
    away.answer(&answer);
    let new = ann.send_rest(&bob, "new").await;
    live.frame(&phone.next().await);
    let answer = bob.post("/api/sync", away.ask()).await.ok();
    away.answer(&answer);
    for model in [live, away] {
        assert_same(&model, &truth(&bob).await, "bob");
        let shown = model.shown(id);
        assert_eq!(shown.keys().copied().collect::<Vec<_>>(), (11..=61).collect::<Vec<_>>());
        assert_eq!((shown[&61], model.is_at_rest()), (&new, true));
    }
}

both_databases!(editing_to_the_same_text_changes_nothing);
async fn editing_to_the_same_text_changes_nothing(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sent = ann.send_rest(&bob, "as it is").await;
    let mut phone = bob.connect().await;
    for mut transport in Transport::both(&ann).await {
        assert_eq!(transport.ok("edit_message", edit(&sent, "as it is")).await["message"], sent);
    }
    phone.expect_silence().await;
    assert_eq!(message(&bob, &sent["id"]).await, sent);
}

both_databases!(a_send_retried_after_an_edit_returns_the_edited_message);
async fn a_send_retried_after_an_edit_returns_the_edited_message(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let send = |content: &str| json!({"recipient_id": bob.id, "content": content, "client_message_id": "key"});
    let [mut rest, mut socket] = Transport::both(&ann).await;
    let sent = rest.ok("private_message", send("first")).await["message"].clone();
    for content in ["second", "third", "first", "fourth"] {
        let now = rest.ok("edit_message", edit(&sent, content)).await["message"].clone();
        for transport in [&mut rest, &mut socket] {
            let again = transport.ok("private_message", send("first")).await;
            assert_eq!(again, json!({"message": now, "duplicate": true}));
        }
        for other in ["second", "third", "fourth", "fifth"] {
            let (code, words) = refused_on_both(&ann, "private_message", send(other)).await;
            assert!(code == "conflict" && words.contains("client_message_id"), "{other}: {words}");
        }
    }
    assert_eq!(hub.stored(), [1, 1, 2]);
}

both_databases!(only_the_sender_may_edit_and_only_existing_messages);
async fn only_the_sender_may_edit_and_only_existing_messages(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let sent = ann.send_rest(&bob, "mine").await;
    let mut phone = ann.connect().await;
    let refused = async |user: &User, body: Value| refused_on_both(user, "edit_message", body).await;
    let (code, words) = refused(&bob, edit(&sent, "yours")).await;
    assert_eq!((&*code, &*words), ("forbidden", "only its sender may change a message"));
    let absent = refused(&eve, json!({"message_id": 999_999, "content": "x"})).await;
    assert_eq!(absent, ("not_found".into(), "no such message".into()));
    assert_eq!(refused(&eve, edit(&sent, "x")).await, absent, "inaccessible and missing messages answer the same");
    for (content, expected) in [(json!("x".repeat(1001)), "too_large"), (json!(" "), "invalid"), (json!(7), "invalid")]
    {
        let (code, words) = refused(&ann, json!({"message_id": sent["id"], "content": content})).await;
        assert_eq!(code, expected);
        assert!(words.contains("content"), "{words}");
    }
    assert_eq!(message(&ann, &sent["id"]).await, sent);
    ann.delete(&format!("/api/messages/{}?for=everyone", sent["id"])).await.is(204);
    assert_eq!(refused(&ann, edit(&sent, "again")).await, ("conflict".into(), "the message was deleted".into()));
    let frames = phone.arrived().await;
    assert_eq!(kinds(&frames), ["message_deleted"], "no other frame was sent");
}

both_databases!(a_block_prevents_edits_and_keeps_the_text_readable);
async fn a_block_prevents_edits_and_keeps_the_text_readable(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sent = ann.send_rest(&bob, "before").await;
    bob.blocks(&ann).await;
    let mut phone = bob.connect().await;
    assert_eq!(refused_on_both(&ann, "edit_message", edit(&sent, "after")).await.0, "forbidden");
    ann.blocks(&bob).await;
    bob.unblocks(&ann).await;
    assert_eq!(refused_on_both(&ann, "edit_message", edit(&sent, "after")).await.0, "forbidden");
    phone.expect_silence().await;
    for user in [&ann, &bob] {
        assert_eq!(user.contents(sent["conversation_id"].as_i64().unwrap()).await, ["before"]);
        assert_eq!(message(user, &sent["id"]).await["content"], "before");
    }
}

both_databases!(edits_count_as_messages_for_the_rate, MESSAGE_RATE = "1", MESSAGE_BURST = "2");
async fn edits_count_as_messages_for_the_rate(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sent = ann.send_rest(&bob, "0").await;
    let mut transport = Transport::Rest(ann.clone());
    for n in 1..10 {
        if transport.ask("edit_message", edit(&sent, &n.to_string())).await["code"] == "rate_limited" {
            return;
        }
    }
    panic!("no edit was rate limited");
}

both_databases!(the_old_text_of_an_edited_message_is_erased);
async fn the_old_text_of_an_edited_message_is_erased(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut transport = Transport::Rest(ann.clone());
    let old = |n: usize| format!("a slip of the tongue number {n}.");
    for n in 0..20 {
        let text = old(n) + &"x".repeat(n * 40);
        let sent = ann.send_rest(&bob, &text).await;
        for content in ["short", &"and then a long one ".repeat(n + 1)] {
            transport.ok("edit_message", edit(&sent, content)).await;
        }
    }
    // The write-ahead log is emptied when the last connection closes.
    hub.stop();
    assert!(hub.database.holds(b"and then a long one"), "stored text is found");
    for n in 0..20 {
        assert!(!hub.database.holds(old(n).as_bytes()), "number {n}");
    }
    hub.restart();
}
