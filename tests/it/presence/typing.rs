//! Typing: relayed, never stored, and never left standing.

use crate::harness::{Socket, TestHub, User, both_databases, kinds};
use serde_json::{Value, json};

async fn mark(socket: &mut Socket) -> (Value, bool) {
    let frame = socket.expect("typing_indicator").await;
    (frame["user_id"].clone(), frame["is_typing"].as_bool().unwrap())
}

both_databases!(typing_is_shown_on_every_socket_of_only_the_other_user);
async fn typing_is_shown_on_every_socket_of_only_the_other_user(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let id = ann.gets_to_know(&bob).await;
    ann.gets_to_know(&eve).await;
    let (mut phone, mut laptop) = (ann.connect().await, ann.connect().await);
    let (mut bob_phone, mut bob_laptop, mut spy) = (bob.connect().await, bob.connect().await, eve.connect().await);
    for is_typing in [true, false] {
        let frame = json!({"type": "typing_indicator", "conversation_id": id, "is_typing": is_typing});
        phone.ack(frame).await;
        for socket in [&mut bob_phone, &mut bob_laptop] {
            let mut seen = socket.next().await;
            seen.as_object_mut().unwrap().remove("timestamp");
            let expected = json!({"type": "typing_indicator", "conversation_id": id, "user_id": ann.id,
                                  "recipient_id": bob.id, "is_typing": is_typing});
            assert_eq!(seen, expected);
        }
    }
    for socket in [&mut phone, &mut laptop, &mut spy, &mut bob_phone] {
        socket.expect_silence().await;
    }
}

both_databases!(typing_without_a_ref_is_relayed_without_an_answer);
async fn typing_without_a_ref_is_relayed_without_an_answer(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.gets_to_know(&bob).await;
    let (mut phone, mut reader) = (ann.connect().await, bob.connect().await);
    // The frame's own claim of who types is ignored.
    phone
        .frame(json!({"type": "typing_indicator", "recipient_id": bob.id, "user_id": bob.id, "is_typing": true}))
        .await;
    assert_eq!(mark(&mut reader).await, (json!(ann.id), true));
    phone.expect_silence().await;
}

both_databases!(typing_over_rest_is_relayed_too);
async fn typing_over_rest_is_relayed_too(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    let mut reader = bob.connect().await;
    for is_typing in [true, false] {
        let path = format!("/api/conversations/{id}/typing");
        ann.post(&path, json!({"is_typing": is_typing})).await.is(204);
        assert_eq!(mark(&mut reader).await, (json!(ann.id), is_typing));
    }
}

both_databases!(a_repeated_typing_mark_is_not_relayed_at_once, TYPING_TIMEOUT = "1m");
async fn a_repeated_typing_mark_is_not_relayed_at_once(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.gets_to_know(&bob).await;
    let (mut phone, mut laptop, mut reader) = (ann.connect().await, ann.connect().await, bob.connect().await);
    for _ in 0..20 {
        phone.types(&bob, true).await;
        laptop.types(&bob, true).await;
    }
    assert_eq!(kinds(&reader.arrived().await), ["typing_indicator"]);
    for _ in 0..5 {
        phone.types(&bob, false).await;
    }
    assert_eq!(kinds(&reader.arrived().await), ["typing_indicator"], "nor is that it ended");
}

both_databases!(a_typing_stop_without_a_start_is_not_relayed);
async fn a_typing_stop_without_a_start_is_not_relayed(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.gets_to_know(&bob).await;
    let (mut phone, mut reader) = (ann.connect().await, bob.connect().await);
    phone.types(&bob, false).await;
    reader.expect_silence().await;
}

both_databases!(an_idle_typist_is_cleared_by_the_hub, TYPING_TIMEOUT = "300ms");
async fn an_idle_typist_is_cleared_by_the_hub(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    let (mut phone, mut reader) = (ann.connect().await, bob.connect().await);
    phone.types(&bob, true).await;
    assert_eq!(mark(&mut reader).await, (json!(ann.id), true));
    assert_eq!(mark(&mut reader).await, (json!(ann.id), false));
    ann.post(&format!("/api/conversations/{id}/typing"), json!({"is_typing": true})).await.is(204);
    assert_eq!(mark(&mut reader).await, (json!(ann.id), true));
    assert_eq!(mark(&mut reader).await, (json!(ann.id), false));
    reader.expect_silence().await;
}

both_databases!(a_typist_is_cleared_when_their_socket_closes_in_any_way, TYPING_TIMEOUT = "1m");
async fn a_typist_is_cleared_when_their_socket_closes_in_any_way(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.gets_to_know(&bob).await;
    let (mut other_device, mut reader) = (ann.connect().await, bob.connect().await);
    let mut closing = ann.connect().await;
    closing.types(&bob, true).await;
    assert_eq!(mark(&mut reader).await, (json!(ann.id), true));
    closing.close().await;
    assert_eq!(mark(&mut reader).await, (json!(ann.id), false));
    let mut vanishing = ann.connect().await;
    vanishing.types(&bob, true).await;
    assert_eq!(mark(&mut reader).await, (json!(ann.id), true));
    drop(vanishing);
    assert_eq!(mark(&mut reader).await, (json!(ann.id), false));
    // Closing a socket that did not type ends no typing.
    let bystanding = ann.connect().await;
    other_device.types(&bob, true).await;
    assert_eq!(mark(&mut reader).await, (json!(ann.id), true));
    bystanding.close().await;
    hub.wait_for_connections(2).await;
    reader.expect_silence().await;
}

both_databases!(a_typist_is_cleared_when_their_login_ends, TYPING_TIMEOUT = "1m");
async fn a_typist_is_cleared_when_their_login_ends(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.gets_to_know(&bob).await;
    let (mut phone, mut reader) = (ann.connect().await, bob.connect().await);
    phone.types(&bob, true).await;
    assert_eq!(mark(&mut reader).await, (json!(ann.id), true));
    ann.post("/api/auth/logout", json!({})).await.is(204);
    assert_eq!(mark(&mut reader).await, (json!(ann.id), false));
}

both_databases!(a_message_ends_typing_without_another_frame, TYPING_TIMEOUT = "5s");
async fn a_message_ends_typing_without_another_frame(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    ann.gets_to_know(&bob).await;
    cat.gets_to_know(&bob).await;
    let (mut phone, mut cat_phone, mut reader) = (ann.connect().await, cat.connect().await, bob.connect().await);
    phone.types(&bob, true).await;
    phone.send(&bob, "typed").await;
    assert_eq!(mark(&mut reader).await, (json!(ann.id), true));
    assert_eq!(reader.next().await["message"]["content"], "typed");
    // Cat began later: when her typing ends, Ann's would have ended, too.
    cat_phone.types(&bob, true).await;
    assert_eq!(mark(&mut reader).await, (json!(cat.id), true));
    assert_eq!(mark(&mut reader).await, (json!(cat.id), false));
    reader.expect_silence().await;
    phone.types(&bob, true).await;
    assert_eq!(mark(&mut reader).await, (json!(ann.id), true), "continued typing is relayed at once");
}

both_databases!(a_block_clears_typing_marks_and_prevents_new_ones, TYPING_TIMEOUT = "1m");
async fn a_block_clears_typing_marks_and_prevents_new_ones(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.gets_to_know(&bob).await;
    let (mut ann_socket, mut bob_socket) = (ann.connect().await, bob.connect().await);
    ann_socket.types(&bob, true).await;
    bob_socket.types(&ann, true).await;
    assert_eq!(mark(&mut bob_socket).await, (json!(ann.id), true));
    assert_eq!(mark(&mut ann_socket).await, (json!(bob.id), true));
    bob.blocks(&ann).await;
    assert_eq!(mark(&mut bob_socket).await, (json!(ann.id), false));
    assert_eq!(mark(&mut ann_socket).await, (json!(bob.id), false));
    let typing = |to: &User| json!({"type": "typing_indicator", "recipient_id": to.id, "is_typing": true});
    assert_eq!(ann_socket.refused(typing(&bob)).await.0, "forbidden");
    assert_eq!(bob_socket.refused(typing(&ann)).await.0, "forbidden");
    ann_socket.expect_silence().await;
    bob_socket.expect_silence().await;
}

both_databases!(typing_is_not_shown_before_the_first_message);
async fn typing_is_not_shown_before_the_first_message(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut phone, mut reader) = (ann.connect().await, bob.connect().await);
    phone.types(&bob, true).await;
    reader.expect_silence().await;
    assert_eq!(hub.stored(), [0, 0, 0]);
}
