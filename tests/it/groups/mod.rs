//! Groups: creating them, what each role may do, and who sees what.

mod joining;
mod leaving;
mod limits;
pub mod many_groups;
mod ownership;
mod presence_visibility;
pub mod removal;
mod roles;
mod sizes;

use crate::harness::{Group, TestHub, User, both_databases};
use serde_json::{Value, json};

/// The answer to a call that makes a conversation.
fn with(others: &[&User]) -> Value {
    json!({"participant_ids": others.iter().map(|user| user.id).collect::<Vec<_>>()})
}

/// The same with additional keys.
fn and(mut body: Value, more: Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn make(maker: &User, body: Value, status: u16) -> Value {
    maker.post("/api/conversations", body).await.is(status).ok()["conversation"].clone()
}

both_databases!(a_group_is_owned_by_its_creator_and_sent_to_all_members);
async fn a_group_is_owned_by_its_creator_and_sent_to_all_members(hub: &mut TestHub) {
    let [ann, bob, cat, eve] = hub.users(["ann", "bob", "cat", "eve"]).await;
    let (mut phone, mut tablet) = (ann.connect().await, ann.connect().await);
    let (mut bob_socket, mut cat_socket, mut spy) = (bob.connect().await, cat.connect().await, eve.connect().await);
    let made = make(&ann, and(with(&[&bob, &cat]), json!({"title": "Lunch"})), 201).await;
    let expected = json!({"kind": "group", "title": "Lunch", "platform": "chat", "last_seq": 0, "rev": 1,
        "participant_count": 3, "last_message": null, "unread_count": 0, "cleared_seq": 0, "visible_from_seq": 1});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(made[key], *value, "{key}");
    }
    let group = Group { id: made["id"].as_i64().unwrap() };
    for socket in [&mut phone, &mut tablet, &mut bob_socket, &mut cat_socket] {
        let frame = socket.next().await;
        assert_eq!((&frame["type"], &frame["rev"]), (&json!("conversation_update"), &json!(1)));
        assert_eq!(frame["conversation"]["participants"], made["participants"]);
        assert!(frame["conversation"].get("unread_count").is_none(), "private fields are not sent: {frame}");
        socket.expect_silence().await;
    }
    spy.expect_silence().await;
    let roles = [("ann", "owner"), ("bob", "member"), ("cat", "member")];
    assert_eq!(group.roles(&bob).await, roles.map(|(name, role)| (name.to_owned(), role.to_owned())).into());
    assert_eq!(bob.conversation(group.id).await, made);
    assert_eq!(bob.conversations().await, [made]);
    assert_eq!(make(&ann, with(&[&bob, &cat]), 201).await["title"], Value::Null, "a group needs no title");
}

both_databases!(a_group_message_reaches_every_device_of_every_member);
async fn a_group_message_reaches_every_device_of_every_member(hub: &mut TestHub) {
    let [ann, bob, cat, eve] = hub.users(["ann", "bob", "cat", "eve"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    let (mut phone, mut tablet) = (bob.connect().await, bob.connect().await);
    let (mut ann_socket, mut cat_socket, mut spy) = (ann.connect().await, cat.connect().await, eve.connect().await);
    let frame = json!({"type": "private_message", "conversation_id": group.id, "content": "soup?"});
    let sent = phone.ack(frame).await["message"].clone();
    assert_eq!((&sent["receiver_id"], &sent["seq"], &sent["rev"]), (&Value::Null, &json!(1), &json!(2)));
    for socket in [&mut phone, &mut tablet, &mut ann_socket, &mut cat_socket] {
        let frame = socket.next().await;
        assert_eq!((&frame["type"], &frame["message"]), (&json!("private_message"), &sent));
        assert!(frame["recipient_id"].is_null(), "{frame}");
    }
    spy.expect_silence().await;
    for reader in [&ann, &cat] {
        assert_eq!(reader.conversation(group.id).await["unread_count"], 1);
    }
    assert_eq!(bob.conversation(group.id).await["unread_count"], 0);
}

both_databases!(a_titled_group_of_two_coexists_with_the_direct_one);
async fn a_titled_group_of_two_coexists_with_the_direct_one(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let group = make(&ann, and(with(&[&bob]), json!({"title": "Us"})), 201).await;
    let direct = make(&ann, with(&[&bob]), 201).await;
    assert_eq!((&group["kind"], &direct["kind"]), (&json!("group"), &json!("direct")));
    assert_eq!(make(&ann, with(&[&bob]), 200).await, direct, "the direct conversation exists by then");
    let sent = ann.send_rest(&bob, "between us").await;
    assert_eq!(sent["conversation_id"], direct["id"]);
}

both_databases!(an_empty_direct_conversation_exists_only_for_its_opener);
async fn an_empty_direct_conversation_exists_only_for_its_opener(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut ann_socket, mut bob_socket) = (ann.connect().await, bob.connect().await);
    let id = make(&ann, with(&[&bob]), 201).await["id"].as_i64().unwrap();
    assert_eq!(ann_socket.next().await["rev"], 1);
    let calls = |id: i64| {
        let path = format!("/api/conversations/{id}");
        [
            ("GET", path.clone(), json!({})),
            ("GET", format!("{path}/messages"), json!({})),
            ("GET", format!("{path}/participants"), json!({})),
            ("POST", format!("{path}/messages"), json!({"content": "hi"})),
            ("POST", format!("{path}/typing"), json!({"is_typing": true})),
            ("POST", format!("{path}/read"), json!({})),
            ("POST", format!("{path}/delivered"), json!({"seq": 1})),
            ("POST", format!("{path}/participants"), json!({"user_id": bob.id})),
            ("PATCH", path.clone(), json!({"title": "x"})),
            ("DELETE", path, json!({})),
        ]
    };
    for ((method, path, body), (_, missing, _)) in calls(id).into_iter().zip(calls(id + 1000)) {
        let reply = bob.call_with(method, &path, body.clone()).await;
        assert_eq!(reply.body, bob.call_with(method, &missing, body).await.body, "{method} {path}");
        reply.refused(404, "not_found");
    }
    assert_eq!(bob.conversations().await, Vec::<Value>::new());
    // He does not find it by her name either, and does not see what she does there.
    for kind in ["conversation_read", "load_history"] {
        let frame = json!({"type": kind, "recipient_id": ann.id});
        assert_eq!(bob_socket.refused(frame).await, ("not_found".into(), "no such conversation".into()), "{kind}");
    }
    bob_socket.types(&ann, true).await;
    ann_socket.types(&bob, true).await;
    ann_socket.expect_silence().await;
    bob_socket.expect_silence().await;
    // Bob opens it too: it is new for him and changes nothing for Ann.
    let opened = make(&bob, with(&[&ann]), 201).await;
    assert_eq!((&opened["id"], &opened["rev"]), (&json!(id), &json!(2)));
    assert_eq!(bob_socket.next().await["conversation"]["id"], id);
    assert_eq!(ann_socket.next().await["type"], "skip");
    assert_eq!(make(&bob, with(&[&ann]), 200).await, opened);
    assert_eq!(bob.conversations().await, [opened]);
    let sent = bob.post(&format!("/api/conversations/{id}/messages"), json!({"content": "hi"})).await.is(201).ok();
    assert_eq!(sent["message"]["rev"], 3);
    assert_eq!(ann_socket.next().await["rev"], 3);
}

both_databases!(repeating_a_group_creation_by_client_id_creates_it_once);
async fn repeating_a_group_creation_by_client_id_creates_it_once(hub: &mut TestHub) {
    let [ann, bob, cat, dan] = hub.users(["ann", "bob", "cat", "dan"]).await;
    let body = and(with(&[&bob, &cat]), json!({"title": "Lunch", "client_id": "first"}));
    let made = make(&ann, body.clone(), 201).await;
    let group = Group { id: made["id"].as_i64().unwrap() };
    let stored = hub.stored();
    let mut bob_socket = bob.connect().await;
    assert_eq!(make(&ann, body.clone(), 200).await, made);
    bob_socket.expect_silence().await;
    // The answer is that group as it is now, even if it changed meanwhile.
    group.rename(&ann, "Dinner").await.is(200);
    group.remove(&ann, &cat).await.is(204);
    cat.blocks(&ann).await;
    let again = make(&ann, body.clone(), 200).await;
    assert_eq!((&again["id"], &again["title"]), (&made["id"], &json!("Dinner")));
    let others = and(with(&[&bob, &dan]), json!({"title": "Lunch", "client_id": "first"}));
    ann.post("/api/conversations", others).await.refused(409, "conflict");
    assert_eq!(hub.stored(), stored);
    let theirs = and(with(&[&ann, &bob]), json!({"client_id": "first"}));
    assert_ne!(make(&dan, theirs, 201).await["id"], made["id"], "the client id is unique per creator");
}

both_databases!(an_invalid_group_is_refused_and_not_stored, MAX_PARTICIPANTS = "3");
async fn an_invalid_group_is_refused_and_not_stored(hub: &mut TestHub) {
    let [ann, bob, cat, dan] = hub.users(["ann", "bob", "cat", "dan"]).await;
    let both = [&bob, &cat];
    for (key, status, body) in [
        ("participant_ids", 400, with(&[])),
        ("participant_ids", 400, json!({"title": "Lunch"})),
        ("participant_ids", 400, json!({"participant_ids": bob.id})),
        ("participant_ids", 400, with(&[&bob, &ann])),
        ("participant_ids", 400, with(&[&bob, &cat, &bob])),
        ("participant_ids", 400, with(&[&bob, &cat, &dan])),
        ("title", 400, and(with(&both), json!({"title": " "}))),
        ("title", 400, and(with(&both), json!({"title": "x".repeat(129)}))),
        ("title", 400, and(with(&both), json!({"title": "two\nlines"}))),
        ("client_id", 400, and(with(&both), json!({"client_id": ""}))),
        ("user", 404, json!({"participant_ids": [bob.id, 999_999]})),
        ("user", 404, json!({"participant_ids": [999_999]})),
    ] {
        let reply = ann.post("/api/conversations", body.clone()).await;
        let detail = reply.refused(status, if status == 400 { "invalid" } else { "not_found" });
        assert!(detail.contains(key), "{body}: {detail}");
    }
    assert_eq!(hub.stored(), [0, 0, 0]);
    let long = "é".repeat(128);
    let made = make(&ann, and(with(&both), json!({"title": long})), 201).await;
    assert_eq!(made["title"], long);
    let group = Group { id: made["id"].as_i64().unwrap() };
    let detail = group.add(&ann, &dan).await.refused(400, "invalid");
    assert!(detail.contains("at most 3"), "{detail}");
    group.remove(&ann, &cat).await.is(204);
    group.add(&ann, &dan).await.is(204);
}

both_databases!(a_block_prevents_being_added_to_a_group);
async fn a_block_prevents_being_added_to_a_group(hub: &mut TestHub) {
    let [ann, bob, cat, dan] = hub.users(["ann", "bob", "cat", "dan"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    cat.blocks(&ann).await;
    ann.blocks(&dan).await;
    let stored = hub.stored();
    let mut details = Vec::new();
    for unwilling in [&cat, &dan] {
        let both = and(with(&[&bob, unwilling]), json!({"title": "Lunch"}));
        details.push(ann.post("/api/conversations", both).await.refused(403, "forbidden"));
        details.push(group.add(&ann, unwilling).await.refused(403, "forbidden"));
    }
    details.dedup();
    assert_eq!(details.len(), 1, "the error names no user and no reason: {details:?}");
    assert_eq!(hub.stored(), stored);
}

both_databases!(users_add_only_people_who_know_them_under_contacts_policy, MESSAGE_POLICY = "contacts");
async fn users_add_only_people_who_know_them_under_contacts_policy(hub: &mut TestHub) {
    let [ann, bob, cat, dan] = hub.users(["ann", "bob", "cat", "dan"]).await;
    bob.adds_contact(&ann).await;
    ann.adds_contact(&cat).await;
    ann.adds_contact(&dan).await;
    dan.send_rest(&ann, "hello").await;
    ann.post("/api/conversations", with(&[&bob, &cat])).await.refused(403, "forbidden");
    ann.post("/api/conversations", with(&[&cat])).await.refused(403, "forbidden");
    let group = Group::of(&ann, &[&bob, &dan]).await;
    group.add(&ann, &cat).await.refused(403, "forbidden");
    cat.adds_contact(&ann).await;
    group.add(&ann, &cat).await.is(204);
    // Sharing a group does not make two users known to each other: Bob may not add everyone Ann
    // may.
    group.remove(&ann, &cat).await.is(204);
    group.set_role(&ann, &bob, "admin").await.is(204);
    group.add(&bob, &cat).await.refused(403, "forbidden");
}
