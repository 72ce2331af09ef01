//! Leaving and removal: every device of the member is told once, and receives nothing later.

use crate::harness::{Group, Model, Socket, TestHub, User, both_databases, kinds};
use serde_json::{Value, json};

both_databases!(a_removed_member_gets_one_frame_per_device_then_nothing);
async fn a_removed_member_gets_one_frame_per_device_then_nothing(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    let said = group.says(&ann, "hi").await;
    let (mut phone, mut tablet) = (cat.connect().await, cat.connect().await);
    let (mut ann_socket, mut bob_socket) = (ann.connect().await, bob.connect().await);
    group.remove(&ann, &cat).await.is(204);
    for socket in [&mut ann_socket, &mut bob_socket] {
        let frame = socket.next().await;
        let conversation = &frame["conversation"];
        assert_eq!((&frame["rev"], &conversation["participant_count"]), (&json!(3), &json!(2)));
        let gone = &conversation["participants"][0];
        assert_eq!((&gone["user_id"], &gone["role"], &gone["rev"]), (&json!(cat.id), &Value::Null, &json!(3)));
    }
    for socket in [&mut phone, &mut tablet] {
        let mut frame = socket.next().await;
        frame.as_object_mut().unwrap().remove("timestamp");
        let gone = json!({"type": "conversation_update", "conversation_id": group.id, "rev": 3, "conversation": null});
        assert_eq!(frame, gone);
    }
    group.says(&ann, "she is gone").await;
    group.rename(&ann, "Without").await.is(200);
    bob.post(&group.at("/read"), json!({})).await.is(204);
    bob.post(&group.at("/typing"), json!({"is_typing": true})).await.is(204);
    let path = format!("/api/messages/{}", said["id"]);
    ann.patch(&path, json!({"content": "hi all"})).await.is(200);
    bob.put(&format!("{path}/reactions/%F0%9F%91%8D")).await.is(200);
    ann.delete(&format!("{path}?for=everyone")).await.is(204);
    group.set_role(&ann, &bob, "admin").await.is(204);
    for socket in [&mut phone, &mut tablet] {
        socket.expect_silence().await;
    }
    assert_eq!(cat.conversations().await, Vec::<Value>::new());
}

both_databases!(a_member_who_leaves_gets_the_same_frame_as_a_removed_one);
async fn a_member_who_leaves_gets_the_same_frame_as_a_removed_one(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    let (mut phone, mut ann_socket) = (bob.connect().await, ann.connect().await);
    group.remove(&bob, &bob).await.is(204);
    assert_eq!(phone.next().await["conversation"], Value::Null);
    assert_eq!(ann_socket.next().await["conversation"]["participants"][0]["role"], Value::Null);
    phone.expect_silence().await;
    group.remove(&bob, &bob).await.refused(404, "not_found");
}

both_databases!(an_offline_device_learns_of_the_removal_by_sync);
async fn an_offline_device_learns_of_the_removal_by_sync(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    bob.delete(&group.at("")).await.is(204);
    group.says(&ann, "hi").await;
    bob.delete(&group.at("")).await.is(204);
    let held = json!({"conversations": {group.id.to_string(): 2, "999999": 1}});
    group.remove(&ann, &bob).await.is(204);
    let answer = bob.post("/api/sync", held).await.ok();
    assert_eq!(answer["left"], json!([group.id, 999_999]), "as one that never was");
    assert_eq!(answer["conversations"], json!([]));
    assert_eq!(answer["mine"]["conversations"], json!([]), "the private state is not sent either");
    let answer = cat.post("/api/sync", json!({"conversations": {group.id.to_string(): 2}})).await.ok();
    let rows = &answer["conversations"][0]["participants"];
    assert_eq!((&rows[0]["user_id"], &rows[0]["role"], &rows[1]), (&json!(bob.id), &Value::Null, &Value::Null));
}

/// Applies the frames that came, and syncs where the protocol says so.
async fn follow(who: &User, socket: &mut Socket, model: &mut Model) {
    socket.arrived().await.iter().for_each(|frame| model.frame(frame));
    while model.wants_sync() {
        let asked = model.ask();
        model.answer(&who.post("/api/sync", asked).await.ok());
    }
}

both_databases!(a_removed_client_drops_the_group_and_resets_on_return);
async fn a_removed_client_drops_the_group_and_resets_on_return(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut socket, mut model) = (bob.connect().await, Model::default());
    let asked = model.ask();
    model.answer(&bob.post("/api/sync", asked).await.ok());
    let group = Group::of(&ann, &[&bob]).await;
    group.says(&ann, "before").await;
    follow(&bob, &mut socket, &mut model).await;
    assert_eq!(model.shown(group.id).len(), 1);
    group.remove(&ann, &bob).await.is(204);
    follow(&bob, &mut socket, &mut model).await;
    assert!(model.conversations.is_empty() && model.is_at_rest(), "{model:?}");
    group.add(&ann, &bob).await.is(204);
    group.says(&ann, "after").await;
    follow(&bob, &mut socket, &mut model).await;
    let held = &model.conversations[&group.id];
    assert_eq!((held.rev, held.members().len()), (5, 2));
    assert_eq!(model.shown(group.id).values().map(|message| &message["content"]).collect::<Vec<_>>(), ["after"]);
}

both_databases!(late_frames_of_a_left_group_cause_one_sync);
async fn late_frames_of_a_left_group_cause_one_sync(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut socket, mut model) = (bob.connect().await, Model::default());
    let asked = model.ask();
    model.answer(&bob.post("/api/sync", asked).await.ok());
    let group = Group::of(&ann, &[&bob]).await;
    let late = socket.arrived().await;
    group.remove(&ann, &bob).await.is(204);
    socket.arrived().await.iter().chain(&late).for_each(|frame| model.frame(frame));
    follow(&bob, &mut socket, &mut model).await;
    assert!(model.conversations.is_empty() && model.is_at_rest(), "{model:?}");

    late.iter().for_each(|frame| model.frame(frame));
    let asked = model.ask();
    let answer = bob.post("/api/sync", asked).await.ok();
    assert_eq!(answer["left"], json!([group.id]));
    group.add(&ann, &bob).await.is(204);
    socket.arrived().await.iter().for_each(|frame| model.frame(frame));
    model.answer(&answer);
    follow(&bob, &mut socket, &mut model).await;
    assert_eq!(model.conversations[&group.id].members().len(), 2, "he is back since he asked");
}

both_databases!(messages_of_a_left_group_no_longer_count_as_unread);
async fn messages_of_a_left_group_no_longer_count_as_unread(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    let mut phone = bob.connect().await;
    group.says(&ann, "hi").await;
    assert_eq!(phone.expect("unread_count_update").await["total_unread"], 1);
    group.remove(&ann, &bob).await.is(204);
    let update = phone.expect("unread_count_update").await;
    assert_eq!((&update["total_unread"], &update["conversations"]), (&json!(0), &json!({group.id.to_string(): 0})));
    assert_eq!(bob.get("/api/unread").await.ok()["total_unread"], 0);
}

both_databases!(a_leaving_member_loses_their_typing_mark, TYPING_TIMEOUT = "1m");
async fn a_leaving_member_loses_their_typing_mark(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    cat.blocks(&bob).await;
    let (mut ann_socket, mut bob_socket) = (ann.connect().await, bob.connect().await);
    let mut cat_socket = cat.connect().await;
    let typing = json!({"type": "typing_indicator", "conversation_id": group.id, "is_typing": true});
    cat_socket.ack(typing).await;
    assert_eq!(ann_socket.next().await["is_typing"], true);
    group.remove(&ann, &cat).await.is(204);
    let ended = ann_socket.next().await;
    assert_eq!((&ended["type"], &ended["is_typing"]), (&json!("typing_indicator"), &json!(false)));
    assert_eq!(ann_socket.next().await["type"], "conversation_update");
    assert_eq!(kinds(&bob_socket.arrived().await), ["conversation_update"], "a member who saw no mark gets no stop");
}

both_databases!(a_former_member_gets_no_typing_stop, TYPING_TIMEOUT = "5s");
async fn a_former_member_gets_no_typing_stop(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    let (mut typist, mut bob_socket, mut cat_socket) = (ann.connect().await, bob.connect().await, cat.connect().await);
    typist.ack(json!({"type": "typing_indicator", "conversation_id": group.id, "is_typing": true})).await;
    assert_eq!(cat_socket.next().await["is_typing"], true);
    group.remove(&ann, &cat).await.is(204);
    assert_eq!(cat_socket.next().await["conversation"], Value::Null);
    while bob_socket.expect("typing_indicator").await["is_typing"] == true {}
    cat_socket.expect_silence().await;
}

both_databases!(a_former_member_cannot_replay_their_own_messages);
async fn a_former_member_cannot_replay_their_own_messages(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    let body = json!({"conversation_id": group.id, "content": "mine", "client_message_id": "key"});
    bob.post("/api/messages", body.clone()).await.is(201);
    bob.post("/api/messages", body.clone()).await.is(200);
    group.remove(&ann, &bob).await.is(204);
    let missing = json!({"conversation_id": 999_999, "content": "mine", "client_message_id": "other"});
    let reply = bob.post("/api/messages", body).await;
    assert_eq!(reply.body, bob.post("/api/messages", missing).await.body);
    reply.refused(404, "not_found");
}
