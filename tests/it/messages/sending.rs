//! A message from one person to another: delivered live, in order, and kept.

use crate::harness::{Socket, TestHub, both_databases};
use serde_json::{Value, json};
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;

both_databases!(a_message_reaches_every_socket_of_both_users);
async fn a_message_reaches_every_socket_of_both_users(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut phone, mut laptop) = (ann.connect().await, ann.connect().await);
    let (mut bob_phone, mut bob_laptop) = (bob.connect().await, bob.log_in_again().await.connect().await);
    let stored = phone.send(&bob, "hi").await;
    for socket in [&mut phone, &mut laptop, &mut bob_phone, &mut bob_laptop] {
        let frame = socket.expect("private_message").await;
        assert_eq!(frame["message"], stored);
        assert_eq!(frame["conversation_id"], stored["conversation_id"]);
        assert_eq!(frame["rev"], stored["rev"]);
        assert_eq!((&frame["sender_id"], &frame["recipient_id"]), (&json!(ann.id), &json!(bob.id)));
    }
}

both_databases!(a_message_has_the_documented_fields);
async fn a_message_has_the_documented_fields(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let body = json!({"recipient_id": bob.id, "content": "Hello!", "client_message_id": "6f1"});
    let message = ann.post("/api/messages", body).await.is(201).ok()["message"].clone();
    let expected = json!({
        "id": message["id"], "conversation_id": message["conversation_id"], "seq": 1, "rev": 2,
        "sender_id": ann.id, "receiver_id": bob.id, "content": "Hello!", "message_type": "text",
        "client_message_id": "6f1", "reply_to_id": null, "reactions": [], "attachments": [],
        "created_at": message["created_at"], "edited_at": null, "deleted_at": null,
        "status": "sent", "is_read": false, "read_at": null,
    });
    assert_eq!(message, expected);
    let id = message["conversation_id"].as_i64().unwrap();
    assert_eq!(bob.history(id, "").await, json!({"messages": [expected], "has_more": false}));
}

both_databases!(a_conversation_has_rev_1_and_its_first_message_rev_2);
async fn a_conversation_has_rev_1_and_its_first_message_rev_2(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut ann_socket, mut bob_socket) = (ann.connect().await, bob.connect().await);
    let message = ann.send_rest(&bob, "first").await;
    ann.send_rest(&bob, "second").await;
    for socket in [&mut ann_socket, &mut bob_socket] {
        let [update, first, second] = [socket.next().await, socket.next().await, socket.next().await];
        assert_eq!(update["type"], "conversation_update");
        assert_eq!((&update["rev"], &update["conversation"]["rev"]), (&json!(1), &json!(1)));
        assert_eq!(update["conversation"]["id"], message["conversation_id"]);
        assert_eq!(update["conversation"]["participants"].as_array().unwrap().len(), 2);
        for private in ["last_message", "unread_count", "cleared_seq", "visible_from_seq"] {
            assert!(update["conversation"].get(private).is_none(), "{private} differs between users");
        }
        assert_eq!((&first["rev"], &first["message"]["seq"]), (&json!(2), &json!(1)));
        assert_eq!((&second["rev"], &second["message"]["seq"]), (&json!(3), &json!(2)));
        socket.expect_silence().await;
    }
}

both_databases!(messages_of_all_senders_arrive_in_seq_order);
async fn messages_of_all_senders_arrive_in_seq_order(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut watching = bob.connect().await;
    let (mut one, mut two, mut three) = (ann.connect().await, ann.connect().await, bob.connect().await);
    for number in 0..20 {
        let text = number.to_string();
        tokio::join!(one.send(&bob, &text), two.send(&bob, &text), three.send(&ann, &text), ann.send_rest(&bob, &text));
    }
    assert_eq!(watching.expect("conversation_update").await["rev"], 1);
    for seq in 1..=80 {
        let frame = watching.expect("private_message").await;
        assert_eq!((&frame["message"]["seq"], &frame["rev"]), (&json!(seq), &json!(seq + 1)));
    }
}

both_databases!(frames_of_one_socket_are_stored_in_sending_order);
async fn frames_of_one_socket_are_stored_in_sending_order(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut phone = ann.connect().await;
    for number in 0..50 {
        phone.frame(json!({"type": "private_message", "recipient_id": bob.id, "content": number.to_string()})).await;
    }
    phone.frame(json!({"type": "ping", "ref": "after"})).await;
    // The pong answers the last frame, so it comes when all are handled.
    assert_eq!(phone.expect("pong").await["ref"], "after");
    let id = bob.conversations().await[0]["id"].as_i64().unwrap();
    let expected: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    assert_eq!(bob.contents(id).await, expected);
}

both_databases!(created_at_never_decreases_when_the_clock_goes_back);
async fn created_at_never_decreases_when_the_clock_goes_back(hub: &mut TestHub) {
    const NOON: i64 = 1_769_860_800_000;
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON + 60_000));
    hub.restart_at(&clock);
    // The logins were made by a later clock; what matters here is the jump.
    let late = ann.send_rest(&bob, "late").await;
    clock.set(Timestamp::from_millis(NOON));
    let early = ann.send_rest(&bob, "after the jump").await;
    assert_eq!(late["created_at"], "2026-01-31T12:01:00.000Z");
    assert_eq!(early["created_at"], late["created_at"]);
    clock.set(Timestamp::from_millis(NOON + 60_001));
    assert_eq!(ann.send_rest(&bob, "on").await["created_at"], "2026-01-31T12:01:00.001Z");
}

both_databases!(a_conversation_is_addressed_by_user_or_by_its_id);
async fn a_conversation_is_addressed_by_user_or_by_its_id(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut phone = bob.connect().await;
    let by_recipient = ann.send_rest(&bob, "by recipient").await;
    let id = &by_recipient["conversation_id"];
    let back = phone.send(&ann, "back").await;
    assert_eq!((&back["conversation_id"], &back["receiver_id"]), (id, &json!(ann.id)));
    let by_id = phone.ack(json!({"type": "private_message", "conversation_id": id, "content": "by id"})).await;
    let body = json!({"conversation_id": id, "content": "by id"});
    let over_rest = ann.post("/api/messages", body).await.is(201).ok();
    let path = format!("/api/conversations/{id}/messages");
    let over_path = ann.post(&path, json!({"content": "by path"})).await.is(201).ok();
    assert_eq!(by_id["message"]["receiver_id"], ann.id);
    for (reply, seq) in [(by_id, 3), (over_rest, 4), (over_path, 5)] {
        assert_eq!((&reply["message"]["conversation_id"], &reply["message"]["seq"]), (id, &json!(seq)));
    }
    assert_eq!(hub.stored(), [5, 1, 2]);
}

both_databases!(messages_survive_a_restart);
async fn messages_survive_a_restart(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.send_rest(&bob, "before").await["conversation_id"].as_i64().unwrap();
    let (welcome, _) = Socket::open(&ann).await.welcome().await;
    let before = ann.history(id, "").await;
    hub.restart();
    assert_eq!(bob.history(id, "").await, before, "logins last, too");
    assert_eq!(ann.send_rest(&bob, "after").await["seq"], 2);
    let (again, _) = Socket::open(&ann).await.welcome().await;
    assert_eq!(again["epoch"], welcome["epoch"], "the epoch is the same");
    assert_ne!(again["session_id"], welcome["session_id"]);
}

both_databases!(a_client_that_knows_only_the_four_basic_frames_works, PRESENCE_GRACE = "200ms");
async fn a_client_that_knows_only_the_four_basic_frames_works(hub: &mut TestHub) {
    const KNOWN: [&str; 4] = ["private_message", "typing_indicator", "user_online_status", "system"];
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut bob_socket = bob.connect().await;
    // This client reads these four frames and posts; it drops every other frame.
    let mut simple = Socket::open(&ann).await;
    assert_eq!(simple.expect("system").await["event"], "welcome");
    let mut log: Vec<Value> = Vec::new();
    ann.send_rest(&bob, "hi bob").await;
    assert_eq!(bob_socket.expect("private_message").await["message"]["content"], "hi bob");
    bob_socket.types(&ann, true).await;
    bob_socket.send(&ann, "hi ann").await;
    bob_socket.close().await;
    for kind in KNOWN.into_iter().take(2).chain(["private_message"]) {
        log.push(simple.expect(kind).await);
    }
    assert_eq!(log[0]["message"]["content"], "hi bob", "the posted message comes back as a frame");
    assert_eq!((&log[1]["user_id"], &log[1]["is_typing"]), (&json!(bob.id), &json!(true)));
    assert_eq!(log[2]["message"]["content"], "hi ann");
    assert!(simple.presence_of(&bob).await, "the first message shows that its sender is online");
    while simple.presence_of(&bob).await {}
}
