//! Deleting messages: for everyone, which leaves a tombstone, or only for the caller.

use crate::harness::{Socket, TestHub, Transport, User, both_databases, kinds, refused_on_both};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn delete(message: &Value, whom: &str) -> Value {
    json!({"message_id": message["id"], "for": whom})
}

async fn message(user: &User, id: &Value) -> Value {
    user.get(&format!("/api/messages/{id}")).await.ok()["message"].clone()
}

async fn total_unread(user: &User) -> Value {
    user.get("/api/unread").await.ok()["total_unread"].clone()
}

/// The update with this total of unread messages.
async fn update_with_total(socket: &mut Socket, total: i64) -> Value {
    loop {
        let update = socket.expect("unread_count_update").await;
        if update["total_unread"] == total {
            return update;
        }
    }
}

both_databases!(a_message_deleted_for_everyone_is_a_tombstone_everywhere);
async fn a_message_deleted_for_everyone_is_a_tombstone_everywhere(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    for mut transport in Transport::both(&ann).await {
        let sent = ann.send_rest(&bob, "never mind").await;
        bob.put(&format!("/api/messages/{}/reactions/%F0%9F%91%8D", sent["id"])).await.is(200);
        let before = bob.conversation(id).await;
        let (mut laptop, mut phone) = (ann.log_in_again().await.connect().await, bob.connect().await);
        assert_eq!(transport.ok("delete_message", delete(&sent, "everyone")).await, json!({}));
        let tombstone = message(&ann, &sent["id"]).await;
        let mut expected = sent.clone();
        expected["content"] = json!("");
        expected["rev"] = json!(before["rev"].as_i64().unwrap() + 1);
        expected["deleted_at"] = tombstone["deleted_at"].clone();
        assert!(tombstone["deleted_at"].is_string(), "{tombstone}");
        assert_eq!(tombstone, expected, "no text, no reactions, and the rest as it was");
        for socket in [&mut laptop, &mut phone] {
            let frame = socket.next().await;
            assert_eq!(frame["type"], "message_deleted");
            assert_eq!((&frame["conversation_id"], &frame["rev"]), (&json!(id), &tombstone["rev"]));
            assert_eq!(frame["message"], tombstone);
        }
        for user in [&ann, &bob] {
            assert_eq!(message(user, &sent["id"]).await, tombstone);
            assert_eq!(user.history(id, "?limit=1").await["messages"], json!([tombstone]));
            assert_eq!(user.conversations().await[0]["last_message"], tombstone);
            let held = json!({"conversations": {id.to_string(): before["rev"]}});
            let answer = user.post("/api/sync", held).await.ok();
            assert_eq!(answer["conversations"][0]["messages"], json!([tombstone]));
        }
        transport.ok("delete_message", delete(&sent, "everyone")).await;
        laptop.expect_silence().await;
        phone.expect_silence().await;
        assert_eq!(message(&bob, &sent["id"]).await, tombstone, "a second deletion changes nothing");
    }
}

both_databases!(a_message_deleted_for_everyone_is_not_unread);
async fn a_message_deleted_for_everyone_is_not_unread(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.send_rest(&bob, "one").await;
    let sent = ann.send_rest(&bob, "two").await;
    assert_eq!(total_unread(&bob).await, 2);
    let mut phone = bob.connect().await;
    Transport::Rest(ann.clone()).ok("delete_message", delete(&sent, "everyone")).await;
    assert_eq!(total_unread(&bob).await, 1);
    let update = update_with_total(&mut phone, 1).await;
    assert_eq!(update["conversations"], json!({sent["conversation_id"].to_string(): 1}));
    assert_eq!(bob.conversations().await[0]["unread_count"], 1);
}

both_databases!(the_text_of_a_deleted_message_is_erased);
async fn the_text_of_a_deleted_message_is_erased(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut transport = Transport::Rest(ann.clone());
    let secrets: Vec<String> = (0..20).map(|n| format!("the key is under mat number {n}.")).collect();
    for (n, secret) in secrets.iter().enumerate() {
        let sent = ann.send_rest(&bob, &(secret.clone() + &"x".repeat(n * 40))).await;
        if n % 2 == 0 {
            transport.ok("edit_message", json!({"message_id": sent["id"], "content": format!("{n}: {secret}")})).await;
        }
        ann.send_rest(&bob, "something that stays").await;
        transport.ok("delete_message", delete(&sent, "everyone")).await;
    }
    // The write-ahead log is emptied when the last connection closes.
    hub.stop();
    assert!(hub.database.holds(b"something that stays"), "stored text is found");
    for (n, secret) in secrets.iter().enumerate() {
        assert!(!hub.database.holds(secret.as_bytes()), "{secret}");
        // No hash remains either, from which a short text could be guessed.
        let first = secret.clone() + &"x".repeat(n * 40);
        assert!(!hub.database.holds(&Sha256::digest(first)), "{secret}");
    }
    hub.restart();
}

both_databases!(a_send_retried_after_a_deletion_returns_the_tombstone);
async fn a_send_retried_after_a_deletion_returns_the_tombstone(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let send = |content: &str| json!({"recipient_id": bob.id, "content": content, "client_message_id": "key"});
    let [mut rest, mut socket] = Transport::both(&ann).await;
    let sent = rest.ok("private_message", send("first")).await["message"].clone();
    rest.ok("edit_message", json!({"message_id": sent["id"], "content": "second"})).await;
    rest.ok("delete_message", delete(&sent, "everyone")).await;
    let tombstone = message(&ann, &sent["id"]).await;
    for transport in [&mut rest, &mut socket] {
        let again = transport.ok("private_message", send("first")).await;
        assert_eq!(again, json!({"message": tombstone, "duplicate": true}));
    }
    assert_eq!(hub.stored(), [1, 1, 2]);
}

both_databases!(a_message_deleted_for_me_disappears_only_for_the_caller);
async fn a_message_deleted_for_me_disappears_only_for_the_caller(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let first = ann.send_rest(&bob, "first").await;
    let id = first["conversation_id"].as_i64().unwrap();
    let mut number = 0;
    for mut transport in Transport::both(&bob).await {
        let sent = ann.send_rest(&bob, "not for me").await;
        let rev = bob.conversation(id).await["rev"].clone();
        let (mut other, mut tablet) = (ann.connect().await, bob.log_in_again().await.connect().await);
        assert_eq!(transport.ok("delete_message", delete(&sent, "me")).await, json!({}));
        number += 1;
        let update = tablet.expect("me_update").await;
        assert_eq!((&update["me"], &update["hidden"]), (&json!(number), &json!([sent["id"]])), "{update}");
        assert_eq!(update.as_object().unwrap().len(), 4, "the update has no other keys: {update}");
        assert_eq!(update_with_total(&mut tablet, 1).await["unread_count"], 1);
        tablet.expect_silence().await;
        // The fence changed Bob's own state.
        number = bob.post("/api/sync", json!({"only": true})).await.ok()["me"].as_i64().unwrap();
        other.expect_silence().await;
        assert_eq!(bob.conversation(id).await["rev"], rev, "the rev of the conversation does not change");
        assert_eq!((total_unread(&bob).await, bob.contents(id).await), (json!(1), vec!["first".to_owned()]));
        assert_eq!(bob.conversations().await[0]["last_message"]["id"], first["id"], "the one before it");
        assert_eq!(ann.conversations().await[0]["last_message"], sent);
        assert_eq!(ann.history(id, "?limit=1").await["messages"], json!([sent]));
        let absent = bob.get("/api/messages/999999").await;
        for tail in ["", "/receipts"] {
            let hidden = bob.get(&format!("/api/messages/{}{tail}", sent["id"])).await;
            assert_eq!((hidden.status, &hidden.body), (404, &absent.body), "{tail}");
        }
        let again = refused_on_both(&bob, "delete_message", delete(&sent, "me")).await;
        assert_eq!(again, ("not_found".into(), "no such message".into()));
    }
}

both_databases!(changes_to_a_hidden_message_arrive_as_skip_frames);
async fn changes_to_a_hidden_message_arrive_as_skip_frames(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sent = ann.send_rest(&bob, "hide me").await;
    let id = sent["conversation_id"].clone();
    let mut transport = Transport::Rest(ann.clone());
    Transport::Rest(bob.clone()).ok("delete_message", delete(&sent, "me")).await;
    let (mut laptop, mut phone) = (ann.connect().await, bob.connect().await);
    transport.ok("edit_message", json!({"message_id": sent["id"], "content": "still hidden"})).await;
    transport.ok("react", json!({"message_id": sent["id"], "emoji": "👍", "on": true})).await;
    transport.ok("delete_message", delete(&sent, "everyone")).await;
    for (rev, kind) in (3..).zip(["message_edited", "message_reaction", "message_deleted"]) {
        let mut skip = phone.next().await;
        skip.as_object_mut().unwrap().remove("timestamp");
        assert_eq!(skip, json!({"type": "skip", "conversation_id": id, "rev": rev}));
        let frame = laptop.next().await;
        assert_eq!((&frame["type"], &frame["rev"]), (&json!(kind), &json!(rev)));
    }
    phone.expect_silence().await;
    laptop.expect_silence().await;
    for (held, only) in [(json!({}), false), (json!({id.to_string(): 2}), true), (json!({id.to_string(): 0}), true)] {
        let answer = bob.post("/api/sync", json!({"conversations": held, "only": only, "me": 0})).await.ok();
        let changed = &answer["conversations"][0];
        assert_eq!((&changed["messages"], &changed["rev"]), (&json!([]), &json!(5)), "{held}");
        assert_eq!(answer["mine"]["hidden"], json!([sent["id"]]));
    }
    let of_ann = ann.post("/api/sync", json!({})).await.ok();
    assert_eq!(of_ann["mine"]["hidden"], json!([]), "other users do not see it");
}

both_databases!(the_list_shows_the_last_visible_message);
async fn the_list_shows_the_last_visible_message(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let (mut by_ann, mut by_bob) = (Transport::Rest(ann.clone()), Transport::Rest(bob.clone()));
    let mut sent = Vec::new();
    for content in ["one", "two", "three", "four"] {
        sent.push(ann.send_rest(&bob, content).await);
    }
    cat.send_rest(&bob, "besides").await;
    let last = async || {
        let list = bob.conversations().await;
        let [besides, chat] = &list[..] else { panic!("two conversations: {list:?}") };
        assert_eq!(besides["last_message"]["content"], "besides");
        assert_eq!(*chat, bob.conversation(chat["id"].as_i64().unwrap()).await);
        let answer = bob.post("/api/sync", json!({})).await.ok();
        assert_eq!(answer["conversations"][1]["conversation"]["last_message"], chat["last_message"]);
        (chat["last_message"]["seq"].clone(), chat["last_message"]["content"].clone())
    };
    by_bob.ok("delete_message", delete(&sent[3], "me")).await;
    assert_eq!(last().await, (json!(3), json!("three")));
    by_ann.ok("delete_message", delete(&sent[2], "everyone")).await;
    assert_eq!(last().await, (json!(3), json!("")), "a tombstone shows");
    for at in [2, 1] {
        by_bob.ok("delete_message", delete(&sent[at], "me")).await;
    }
    assert_eq!(last().await, (json!(1), json!("one")));
    by_bob.ok("delete_message", delete(&sent[0], "me")).await;
    assert_eq!(last().await, (Value::Null, Value::Null), "no visible message is left");
    assert_eq!(ann.conversations().await[0]["last_message"]["content"], "four");
}

both_databases!(history_pages_are_full_despite_hidden_messages);
async fn history_pages_are_full_despite_hidden_messages(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut transport = Transport::Rest(bob.clone());
    let mut id = 0;
    for seq in 1..=10 {
        let sent = ann.send_rest(&bob, "hi").await;
        id = sent["conversation_id"].as_i64().unwrap();
        if seq % 2 == 0 {
            transport.ok("delete_message", delete(&sent, "me")).await;
        }
    }
    for (query, expected, has_more) in [
        ("?limit=3", vec![5, 7, 9], true),
        ("?limit=3&before_seq=5", vec![1, 3], false),
        ("?limit=3&after_seq=0", vec![1, 3, 5], true),
        ("?limit=3&after_seq=5", vec![7, 9], false),
    ] {
        let page = bob.history(id, query).await;
        let seqs: Vec<i64> =
            page["messages"].as_array().unwrap().iter().map(|row| row["seq"].as_i64().unwrap()).collect();
        assert_eq!((seqs, &page["has_more"]), (expected, &json!(has_more)), "{query}");
    }
}

both_databases!(an_unauthorized_deletion_is_refused_without_details);
async fn an_unauthorized_deletion_is_refused_without_details(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let sent = ann.send_rest(&bob, "mine").await;
    let (mut laptop, mut phone) = (ann.connect().await, bob.connect().await);
    let refused = async |user: &User, body: Value| refused_on_both(user, "delete_message", body).await;
    assert_eq!(refused(&bob, delete(&sent, "everyone")).await.0, "forbidden");
    for whom in ["everyone", "me"] {
        let absent = refused(&eve, json!({"message_id": 999_999, "for": whom})).await;
        assert_eq!(absent, ("not_found".into(), "no such message".into()));
        assert_eq!(
            refused(&eve, delete(&sent, whom)).await,
            absent,
            "inaccessible and missing messages answer the same"
        );
    }
    for body in [json!({"message_id": sent["id"]}), json!({"message_id": sent["id"], "for": "them"})] {
        let (code, words) = refused(&ann, body).await;
        assert!(code == "invalid" && words.starts_with("for "), "{words}");
    }
    laptop.expect_silence().await;
    phone.expect_silence().await;
    assert_eq!(message(&bob, &sent["id"]).await, sent);
}

both_databases!(a_sender_may_delete_their_messages_despite_a_block);
async fn a_sender_may_delete_their_messages_despite_a_block(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (first, second) = (ann.send_rest(&bob, "first").await, ann.send_rest(&bob, "second").await);
    bob.blocks(&ann).await;
    let mut phone = bob.connect().await;
    for (mut transport, sent) in Transport::both(&ann).await.into_iter().zip([&first, &second]) {
        transport.ok("delete_message", delete(sent, "everyone")).await;
    }
    assert_eq!(kinds(&phone.arrived().await), ["message_deleted", "message_deleted"]);
    assert_eq!(bob.contents(first["conversation_id"].as_i64().unwrap()).await, ["", ""]);
    Transport::Rest(ann.clone()).ok("delete_message", delete(&first, "me")).await;
    assert_eq!(ann.contents(first["conversation_id"].as_i64().unwrap()).await, [""]);
}
