//! Viewing a conversation: relayed, never stored, and ended with the socket that views.

use crate::harness::{Group, Socket, TestHub, User, both_databases, crowd};
use serde_json::{Value, json};

fn join(id: i64) -> Value {
    json!({"type": "join_conversation", "conversation_id": id})
}

fn leave(id: i64) -> Value {
    json!({"type": "leave_conversation", "conversation_id": id})
}

fn path(id: i64) -> String {
    format!("/api/conversations/{id}/viewing")
}

fn viewing_state(frame: &Value) -> (i64, bool) {
    (frame["user_id"].as_i64().unwrap(), frame["is_viewing"].as_bool().unwrap())
}

/// The user and state of the next viewing frame.
async fn next(socket: &mut Socket) -> (i64, bool) {
    viewing_state(&socket.expect("viewing").await)
}

/// All viewing frames that came and were not asked for.
async fn viewing_frames(socket: &mut Socket) -> Vec<(i64, bool)> {
    socket.arrived().await.iter().filter(|frame| frame["type"] == "viewing").map(viewing_state).collect()
}

both_databases!(others_see_viewing_from_the_first_device_to_the_last);
async fn others_see_viewing_from_the_first_device_to_the_last(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let id = ann.gets_to_know(&bob).await;
    ann.gets_to_know(&eve).await;
    let (mut phone, mut laptop) = (ann.connect().await, ann.connect().await);
    let (mut reader, mut other_reader, mut spy) = (bob.connect().await, bob.connect().await, eve.connect().await);
    let stored = hub.stored();
    phone.ack(json!({"type": "join_conversation", "recipient_id": bob.id})).await;
    for socket in [&mut reader, &mut other_reader] {
        let mut seen = socket.next().await;
        seen.as_object_mut().unwrap().remove("timestamp");
        assert_eq!(seen, json!({"type": "viewing", "conversation_id": id, "user_id": ann.id, "is_viewing": true}));
    }
    laptop.ack(join(id)).await;
    for frame in [join(id), leave(id)] {
        phone.ack(frame).await;
    }
    reader.expect_silence().await;
    laptop.ack(json!({"type": "leave_conversation", "recipient_id": bob.id})).await;
    assert_eq!(next(&mut reader).await, (ann.id, false));
    laptop.ack(leave(id)).await;
    for socket in [&mut phone, &mut laptop, &mut spy, &mut reader] {
        socket.expect_silence().await;
    }
    assert_eq!(hub.stored(), stored);
}

both_databases!(a_new_viewer_is_shown_the_current_viewers);
async fn a_new_viewer_is_shown_the_current_viewers(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    let (mut phone, mut tablet) = (ann.connect().await, bob.connect().await);
    phone.ack(join(group.id)).await;
    bob.put(&path(group.id)).await.is(204);
    assert_eq!(viewing_frames(&mut tablet).await, [(ann.id, true)]);
    group.add(&ann, &cat).await.is(204);
    let (mut cat_phone, mut cat_laptop) = (cat.connect().await, cat.connect().await);
    cat_phone.ack(join(group.id)).await;
    assert_eq!(viewing_frames(&mut cat_phone).await, [(ann.id, true), (bob.id, true)]);
    cat_laptop.expect_silence().await;
    // Another device of hers views it separately, which announces nothing.
    cat_laptop.ack(join(group.id)).await;
    assert_eq!(viewing_frames(&mut cat_laptop).await, [(ann.id, true), (bob.id, true)]);
    assert_eq!(viewing_frames(&mut phone).await, [(bob.id, true), (cat.id, true)]);
    phone.ack(leave(group.id)).await;
    assert_eq!(next(&mut cat_phone).await, (ann.id, false));
}

both_databases!(a_closed_socket_ends_viewing_in_every_way_it_can_close);
async fn a_closed_socket_ends_viewing_in_every_way_it_can_close(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    let mut reader = bob.connect().await;
    for way in ["close", "vanish", "log out"] {
        let mut phone = ann.connect().await;
        phone.ack(join(id)).await;
        assert_eq!(next(&mut reader).await, (ann.id, true), "{way}");
        match way {
            "close" => phone.close().await,
            "vanish" => drop(phone),
            _ => drop(ann.post("/api/auth/logout", json!({})).await.is(204)),
        }
        assert_eq!(next(&mut reader).await, (ann.id, false), "{way}");
    }
    reader.expect_silence().await;
}

both_databases!(viewing_over_rest_is_relayed_too);
async fn viewing_over_rest_is_relayed_too(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    let (mut phone, mut reader) = (ann.connect().await, bob.connect().await);
    for _ in 0..2 {
        ann.put(&path(id)).await.is(204);
    }
    phone.ack(join(id)).await;
    ann.delete(&path(id)).await.is(204);
    assert_eq!(viewing_frames(&mut reader).await, [(ann.id, true)], "her phone is still viewing");
    ann.put(&path(id)).await.is(204);
    phone.close().await;
    reader.expect_silence().await;
    ann.delete(&path(id)).await.is(204);
    assert_eq!(next(&mut reader).await, (ann.id, false));
}

both_databases!(a_block_ends_viewing_for_both_and_hides_later_viewing);
async fn a_block_ends_viewing_for_both_and_hides_later_viewing(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    let (mut phone, mut reader) = (ann.connect().await, bob.connect().await);
    phone.ack(join(id)).await;
    assert_eq!(next(&mut reader).await, (ann.id, true));
    reader.ack(join(id)).await;
    assert_eq!(next(&mut reader).await, (ann.id, true), "he is shown the viewers again");
    assert_eq!(next(&mut phone).await, (bob.id, true));
    bob.blocks(&ann).await;
    assert_eq!(next(&mut reader).await, (ann.id, false));
    assert_eq!(next(&mut phone).await, (bob.id, false));
    // Reading is allowed under a block, so viewing is no error, and is not announced.
    for frame in [join(id), leave(id), join(id)] {
        phone.ack(frame.clone()).await;
        reader.ack(frame).await;
    }
    phone.expect_silence().await;
    reader.expect_silence().await;
    bob.unblocks(&ann).await;
    phone.expect_silence().await;
    phone.ack(join(id)).await;
    assert_eq!(viewing_frames(&mut phone).await, [(bob.id, true)]);
    assert_eq!(viewing_frames(&mut reader).await, [(ann.id, true)]);
}

both_databases!(a_block_hides_group_viewing_only_between_the_two_users);
async fn a_block_hides_group_viewing_only_between_the_two_users(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    let (mut ann_socket, mut bob_socket, mut cat_socket) =
        (ann.connect().await, bob.connect().await, cat.connect().await);
    ann_socket.ack(join(group.id)).await;
    for socket in [&mut bob_socket, &mut cat_socket] {
        assert_eq!(next(socket).await, (ann.id, true));
    }
    ann.blocks(&bob).await;
    assert_eq!(next(&mut bob_socket).await, (ann.id, false));
    bob_socket.ack(join(group.id)).await;
    assert_eq!(viewing_frames(&mut cat_socket).await, [(bob.id, true)], "Ann's viewing has not changed");
    ann_socket.ack(leave(group.id)).await;
    bob_socket.close().await;
    assert_eq!(next(&mut cat_socket).await, (ann.id, false));
    assert_eq!(next(&mut cat_socket).await, (bob.id, false));
    ann_socket.expect_silence().await;
}

both_databases!(leaving_a_group_ends_viewing_and_hides_other_viewers);
async fn leaving_a_group_ends_viewing_and_hides_other_viewers(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    let (mut owner, mut leaver, mut other) = (ann.connect().await, bob.connect().await, cat.connect().await);
    leaver.ack(join(group.id)).await;
    other.ack(join(group.id)).await;
    group.remove(&ann, &bob).await.is(204);
    let frames = owner.arrived().await;
    let kinds: Vec<&Value> = frames.iter().map(|frame| &frame["type"]).collect();
    assert_eq!(kinds, ["viewing", "viewing", "viewing", "conversation_update"]);
    assert_eq!(
        frames[..3].iter().map(viewing_state).collect::<Vec<_>>(),
        [(bob.id, true), (cat.id, true), (bob.id, false)]
    );
    assert_eq!(viewing_frames(&mut leaver).await, [(cat.id, true)]);
    assert_eq!(leaver.refused(leave(group.id)).await.0, "not_found");
    other.close().await;
    assert_eq!(next(&mut owner).await, (cat.id, false));
    owner.ack(join(group.id)).await;
    group.add(&ann, &bob).await.is(204);
    leaver.close().await;
    assert_eq!(viewing_frames(&mut owner).await, [], "returning to the group does not restore viewing");
}

both_databases!(viewing_a_seventeenth_conversation_ends_the_first);
async fn viewing_a_seventeenth_conversation_ends_the_first(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut ids = Vec::new();
    for _ in 0..17 {
        ids.push(Group::of(&ann, &[&bob]).await.id);
    }
    let (mut phone, mut reader) = (ann.connect().await, bob.connect().await);
    for id in &ids {
        phone.ack(join(*id)).await;
    }
    let frames = reader.arrived().await;
    let seen: Vec<(i64, bool)> =
        frames.iter().map(|frame| (frame["conversation_id"].as_i64().unwrap(), viewing_state(frame).1)).collect();
    let mut expected: Vec<(i64, bool)> = ids.iter().map(|id| (*id, true)).collect();
    expected.push((ids[0], false));
    assert_eq!(seen, expected);
}

both_databases!(groups_of_more_than_a_hundred_show_no_viewers);
async fn groups_of_more_than_a_hundred_show_no_viewers(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let mut others = crowd(hub, &ann, 98).await;
    others.push(bob.id);
    let group = Group::of_ids(&ann, &others).await;
    let (mut phone, mut reader) = (ann.connect().await, bob.connect().await);
    phone.ack(join(group.id)).await;
    assert_eq!(next(&mut reader).await, (ann.id, true), "a hundred are few enough");
    group.add(&ann, &cat).await.is(204);
    reader.ack(join(group.id)).await;
    let mut newcomer = cat.connect().await;
    newcomer.ack(join(group.id)).await;
    newcomer.expect_silence().await;
    assert_eq!(viewing_frames(&mut phone).await, []);
    phone.ack(leave(group.id)).await;
    assert_eq!(viewing_frames(&mut reader).await, [(ann.id, false)], "the relayed viewing ends for him");
}

both_databases!(viewing_an_empty_conversation_does_not_reveal_it);
async fn viewing_an_empty_conversation_does_not_reveal_it(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut phone, mut reader) = (ann.connect().await, bob.connect().await);
    let to = |user: &User| json!({"type": "join_conversation", "recipient_id": user.id});
    let missing = phone.refused(to(&bob)).await;
    assert_eq!(missing.0, "not_found", "the conversation does not exist yet");
    let body = json!({"participant_ids": [bob.id]});
    let made = ann.post("/api/conversations", body).await.is(201).ok();
    let id = made["conversation"]["id"].as_i64().unwrap();
    phone.ack(join(id)).await;
    reader.expect_silence().await;
    // He does not learn it by request either.
    for frame in [to(&ann), join(id), leave(id)] {
        assert_eq!(reader.refused(frame).await, missing);
    }
    phone.send(&bob, "hi").await;
    reader.ack(join(id)).await;
    assert_eq!(viewing_frames(&mut reader).await, [(ann.id, true)], "with the first message he knows of it");
    assert_eq!(viewing_frames(&mut phone).await, [(bob.id, true)]);
}

both_databases!(viewing_an_inaccessible_conversation_is_refused);
async fn viewing_an_inaccessible_conversation_is_refused(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let id = ann.gets_to_know(&bob).await;
    let (mut phone, mut spy) = (ann.connect().await, eve.connect().await);
    let missing = spy.refused(join(999_999)).await;
    assert_eq!(missing.0, "not_found");
    for frame in [join(id), leave(id), json!({"type": "join_conversation", "recipient_id": bob.id})] {
        assert_eq!(spy.refused(frame).await, missing);
    }
    let refused = eve.put(&path(id)).await;
    assert_eq!(refused.body, eve.put(&path(999_999)).await.body);
    refused.refused(404, "not_found");
    eve.delete(&path(id)).await.refused(404, "not_found");
    for kind in ["join_conversation", "leave_conversation"] {
        for keys in [
            json!({}),
            json!({"conversation_id": id, "recipient_id": bob.id}),
            json!({"conversation_id": "1"}),
            json!({"recipient_id": eve.id}),
        ] {
            let mut frame = keys;
            frame["type"] = json!(kind);
            assert_eq!(spy.refused(frame).await.0, "invalid");
        }
    }
    phone.expect_silence().await;
}
