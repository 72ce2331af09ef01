//! Presence and typing that members of a shared group see of each other.

use crate::harness::{Group, Socket, TestHub, User, both_databases, crowd, eventually};
use serde_json::json;

/// Members of a group up to this size see each other.
const MAX_SEEN: usize = 100;

/// The presence frames that the socket received about these users, and about nobody else.
async fn presence_changes(socket: &mut Socket, of: &[&User]) -> Vec<(i64, bool)> {
    let changes = socket.presence_arrived().await;
    changes.into_iter().filter(|(id, _)| of.iter().any(|user| user.id == *id)).collect()
}

/// Waits until the hub has announced everybody who came so far: until then a late presence frame
/// could come between.
async fn settle(hub: &TestHub) {
    let [watcher, latecomer] = hub.users(["watcher", "latecomer"]).await;
    latecomer.adds_contact(&watcher).await;
    let mut watching = watcher.connect().await;
    let _there = latecomer.connect().await;
    assert!(watching.presence_of(&latecomer).await);
}

async fn online(who: &User) -> Vec<i64> {
    let mut socket = Socket::open(who).await;
    let (_, state) = socket.welcome().await;
    let ids = state["online"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
    socket.close().await;
    ids
}

both_databases!(group_members_see_each_other_online_until_they_leave);
async fn group_members_see_each_other_online_until_they_leave(hub: &mut TestHub) {
    let [ann, bob, cat, dan] = hub.users(["ann", "bob", "cat", "dan"]).await;
    bob.adds_contact(&ann).await;
    let (mut ann_socket, mut bob_socket) = (ann.connect().await, bob.connect().await);
    let (mut cat_socket, mut dan_socket) = (cat.connect().await, dan.connect().await);
    settle(hub).await;
    let all = [&ann, &bob, &cat, &dan];
    for socket in [&mut ann_socket, &mut bob_socket, &mut cat_socket, &mut dan_socket] {
        socket.presence_arrived().await;
    }
    let group = Group::of(&ann, &[&bob, &cat]).await;
    assert_eq!(presence_changes(&mut ann_socket, &all).await, [(cat.id, true)], "Bob she saw before");
    assert_eq!(presence_changes(&mut bob_socket, &all).await, [(ann.id, true), (cat.id, true)], "not only the maker");
    assert_eq!(presence_changes(&mut cat_socket, &all).await, [(ann.id, true), (bob.id, true)]);
    group.add(&ann, &dan).await.is(204);
    assert_eq!(presence_changes(&mut bob_socket, &all).await, [(dan.id, true)]);
    assert_eq!(presence_changes(&mut dan_socket, &all).await, [(ann.id, true), (bob.id, true), (cat.id, true)]);
    assert_eq!(online(&dan).await, [ann.id, bob.id, cat.id]);
    group.remove(&bob, &bob).await.is(204);
    assert_eq!(presence_changes(&mut ann_socket, &all).await, [(dan.id, true)], "Ann is still a contact of Bob");
    assert_eq!(presence_changes(&mut bob_socket, &all).await, [(ann.id, false), (cat.id, false), (dan.id, false)]);
    assert_eq!(presence_changes(&mut cat_socket, &all).await, [(dan.id, true), (bob.id, false)]);
    assert_eq!(online(&bob).await, [0i64; 0]);
}

both_databases!(a_block_hides_presence_in_common_groups_too, TYPING_TIMEOUT = "1m");
async fn a_block_hides_presence_in_common_groups_too(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let (mut ann_socket, mut bob_socket, mut cat_socket) =
        (ann.connect().await, bob.connect().await, cat.connect().await);
    settle(hub).await;
    bob.blocks(&cat).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    assert_eq!(presence_changes(&mut bob_socket, &[&ann, &cat]).await, [(ann.id, true)]);
    assert_eq!(presence_changes(&mut cat_socket, &[&ann, &bob]).await, [(ann.id, true)]);
    let typing = |is_typing| json!({"type": "typing_indicator", "conversation_id": group.id, "is_typing": is_typing});
    for is_typing in [true, false] {
        cat_socket.ack(typing(is_typing)).await;
        assert_eq!(ann_socket.expect("typing_indicator").await["is_typing"], is_typing);
    }
    let frames = bob_socket.arrived().await;
    assert!(frames.iter().all(|frame| frame["type"] != "typing_indicator"), "{frames:#?}");
    // The group reads the messages they write there.
    group.says(&cat, "to all").await;
    assert_eq!(bob_socket.expect("private_message").await["message"]["content"], "to all");
}

both_databases!(a_block_ends_the_group_marks_between_the_two_users, TYPING_TIMEOUT = "1m");
async fn a_block_ends_the_group_marks_between_the_two_users(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    let (mut ann_socket, mut bob_socket, mut cat_socket) =
        (ann.connect().await, bob.connect().await, cat.connect().await);
    let typing = |is_typing| json!({"type": "typing_indicator", "conversation_id": group.id, "is_typing": is_typing});
    bob_socket.ack(typing(true)).await;
    for socket in [&mut ann_socket, &mut cat_socket] {
        assert_eq!(socket.next().await["is_typing"], true);
    }
    ann.blocks(&bob).await;
    assert_eq!(ann_socket.next().await["is_typing"], false);
    cat_socket.expect_silence().await;
    bob_socket.ack(typing(false)).await;
    assert_eq!(cat_socket.next().await["is_typing"], false, "other members still see the mark until it ends");
    ann_socket.expect_silence().await;
}

both_databases!(groups_of_more_than_a_hundred_show_no_presence);
async fn groups_of_more_than_a_hundred_show_no_presence(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let (mut ann_socket, mut bob_socket, mut cat_socket) =
        (ann.connect().await, bob.connect().await, cat.connect().await);
    settle(hub).await;
    let all = [&ann, &bob, &cat];
    let mut others = crowd(hub, &ann, MAX_SEEN - 2).await;
    others.push(bob.id);
    let group = Group::of_ids(&ann, &others).await;
    assert_eq!(presence_changes(&mut ann_socket, &all).await, [(bob.id, true)]);
    assert_eq!(presence_changes(&mut bob_socket, &all).await, [(ann.id, true)]);
    group.add(&ann, &cat).await.is(204);
    assert_eq!(presence_changes(&mut ann_socket, &all).await, [(bob.id, false)], "the group is too large with Cat");
    assert_eq!(presence_changes(&mut bob_socket, &all).await, [(ann.id, false)]);
    assert_eq!(presence_changes(&mut cat_socket, &all).await, []);
    eventually("no user is shown online", async || online(&bob).await.is_empty()).await;
    group.remove(&ann, &cat).await.is(204);
    assert_eq!(
        presence_changes(&mut ann_socket, &all).await,
        [(bob.id, true)],
        "the group is small enough without Cat"
    );
    assert_eq!(presence_changes(&mut bob_socket, &all).await, [(ann.id, true)]);
    assert_eq!(presence_changes(&mut cat_socket, &all).await, []);
}
