//! Joining a group: a new member sees only later messages. Joining does not change earlier
//! messages.

use crate::harness::{Group, Model, TestHub, User, both_databases, eventually, kinds};
use serde_json::{Value, json};

async fn message(reader: &User, sent: &Value) -> Value {
    reader.get(&format!("/api/messages/{}", sent["id"])).await.is(200).ok()["message"].clone()
}

/// The delivered and read status of a message, as every member may see it.
async fn receivers(reader: &User, sent: &Value) -> Vec<i64> {
    let receipts = reader.get(&format!("/api/messages/{}/receipts", sent["id"])).await.is(200).ok();
    receipts["receipts"].as_array().unwrap().iter().map(|row| row["user_id"].as_i64().unwrap()).collect()
}

async fn reads_all(reader: &User, group: Group) {
    reader.post(&group.at("/read"), json!({})).await.is(204);
    eventually("the read position is visible", async || {
        let seen = reader.conversation(group.id).await;
        let own = seen["participants"].as_array().unwrap().iter().find(|row| row["user_id"] == reader.id);
        own.unwrap()["read_seq"] == seen["last_seq"]
    })
    .await;
}

both_databases!(a_new_member_sees_only_later_messages);
async fn a_new_member_sees_only_later_messages(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    let before = group.says(&ann, "before").await;
    let (mut ann_socket, mut cat_socket) = (ann.connect().await, cat.connect().await);
    group.add(&ann, &cat).await.is(204);
    let frame = cat_socket.next().await;
    assert_eq!((&frame["type"], &frame["rev"]), (&json!("conversation_update"), &json!(3)));
    assert_eq!(ann_socket.next().await["conversation"], frame["conversation"], "all members get the same frame");
    let joined = cat.conversation(group.id).await;
    let own_state =
        ["visible_from_seq", "unread_count", "last_seq", "participant_count"].map(|key| joined[key].clone());
    assert_eq!(own_state, [2, 0, 1, 3].map(|n| json!(n)));
    assert_eq!(joined["last_message"], Value::Null);
    assert_eq!(cat.history(group.id, "").await, json!({"messages": [], "has_more": false}));
    assert_eq!(cat.history(group.id, "?after_seq=0").await, json!({"messages": [], "has_more": false}));
    for tail in ["", "/receipts"] {
        let path = |id: i64| format!("/api/messages/{id}{tail}");
        let hidden = cat.get(&path(before["id"].as_i64().unwrap())).await;
        assert_eq!(hidden.body, cat.get(&path(999_999)).await.body);
        hidden.refused(404, "not_found");
    }
    assert_eq!(cat.get("/api/unread").await.ok()["total_unread"], 0);
    let after = group.says(&bob, "after").await;
    assert_eq!(cat_socket.next().await["message"], after);
    assert_eq!(cat.contents(group.id).await, ["after"]);
    assert_eq!(cat.conversation(group.id).await["unread_count"], 1);
}

both_databases!(earlier_messages_ignore_new_members_in_their_receipts);
async fn earlier_messages_ignore_new_members_in_their_receipts(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    let before = group.says(&ann, "before").await;
    reads_all(&bob, group).await;
    let read = message(&ann, &before).await;
    assert_eq!(read["status"], "read");
    group.add(&ann, &cat).await.is(204);
    assert_eq!(message(&ann, &before).await, read, "joining does not count as reading");
    let after = group.says(&ann, "after").await;
    reads_all(&bob, group).await;
    assert_eq!(message(&ann, &after).await["status"], "sent");
    reads_all(&cat, group).await;
    assert_eq!(message(&ann, &after).await["status"], "read");
    assert_eq!(message(&ann, &before).await, read, "reading later messages does not count either");
    assert_eq!(receivers(&ann, &before).await, [bob.id]);
    assert_eq!(receivers(&ann, &after).await, [bob.id, cat.id]);
}

both_databases!(former_members_do_not_affect_a_message_status);
async fn former_members_do_not_affect_a_message_status(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    let sent = group.says(&ann, "hi").await;
    reads_all(&bob, group).await;
    assert_eq!(message(&ann, &sent).await["status"], "sent");
    group.remove(&cat, &cat).await.is(204);
    assert_eq!(message(&ann, &sent).await["status"], "read");
    group.remove(&bob, &bob).await.is(204);
    let alone = message(&ann, &sent).await;
    assert_eq!((&alone["status"], &alone["read_at"]), (&json!("sent"), &Value::Null), "no reader is left in the group");
}

both_databases!(a_returning_member_sees_no_earlier_messages);
async fn a_returning_member_sees_no_earlier_messages(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    group.says(&ann, "before").await;
    let held = cat.conversation(group.id).await["rev"].clone();
    group.remove(&ann, &cat).await.is(204);
    group.says(&ann, "between").await;
    group.add(&ann, &cat).await.is(204);
    assert_eq!(cat.history(group.id, "").await["messages"], json!([]));
    let conversation = cat.conversation(group.id).await;
    assert_eq!((&conversation["unread_count"], &conversation["visible_from_seq"]), (&json!(0), &json!(3)));
    // A device that was offline all the time learns it from its next sync.
    let positions = json!({"conversations": {group.id.to_string(): held}, "only": true});
    let answer = cat.post("/api/sync", positions).await.ok();
    let changed = &answer["conversations"][0];
    assert_eq!((&changed["messages"], &changed["conversation"]["visible_from_seq"]), (&json!([]), &json!(3)));
    group.says(&ann, "after").await;
    assert_eq!(cat.contents(group.id).await, ["after"]);
    assert_eq!(bob.contents(group.id).await, ["before", "between", "after"]);
}

both_databases!(an_added_client_gets_all_members_by_sync);
async fn an_added_client_gets_all_members_by_sync(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    let (mut socket, mut model) = (cat.connect().await, Model::default());
    let asked = model.ask();
    assert!(model.answer(&cat.post("/api/sync", asked).await.ok()));
    group.add(&ann, &cat).await.is(204);
    model.frame(&socket.next().await);
    assert!(model.wants_sync(), "a frame of a conversation that it does not know");
    let asked = model.ask();
    assert!(model.answer(&cat.post("/api/sync", asked).await.ok()));
    let held = &model.conversations[&group.id];
    assert_eq!((held.rev, held.members().len()), (2, 3));
}

both_databases!(changes_to_invisible_messages_arrive_as_skip_frames);
async fn changes_to_invisible_messages_arrive_as_skip_frames(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    let before = group.says(&ann, "before").await;
    group.add(&ann, &cat).await.is(204);
    let (mut bob_socket, mut cat_socket) = (bob.connect().await, cat.connect().await);
    let path = format!("/api/messages/{}", before["id"]);
    ann.patch(&path, json!({"content": "another"})).await.is(200);
    bob.put(&format!("{path}/reactions/%F0%9F%91%8D")).await.is(200);
    ann.delete(&format!("{path}?for=everyone")).await.is(204);
    let (seen, skipped) = (bob_socket.arrived().await, cat_socket.arrived().await);
    assert_eq!(kinds(&seen), ["message_edited", "message_reaction", "message_deleted"]);
    assert_eq!(kinds(&skipped), ["skip"; 3]);
    for (seen, mut skipped) in seen.iter().zip(skipped) {
        skipped.as_object_mut().unwrap().remove("timestamp");
        assert_eq!(skipped, json!({"type": "skip", "conversation_id": group.id, "rev": seen["rev"]}));
    }
}
