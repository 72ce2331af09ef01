//! Delivered and read positions: who is told of each, and the status that they give messages.

use crate::harness::{Reply, Socket, TestHub, User, both_databases};
use serde_json::{Value, json};
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;

/// A conversation in which the first user has written this many messages.
async fn messages(from: &User, to: &User, count: usize) -> (i64, Vec<Value>) {
    let mut sent = Vec::new();
    for number in 1..=count {
        sent.push(from.send_rest(to, &number.to_string()).await);
    }
    (sent[0]["conversation_id"].as_i64().unwrap(), sent)
}

/// The part of a participant that everybody sees: delivered, read, and the rev of it.
async fn shared_position(watcher: &User, id: i64, of: &User) -> [i64; 3] {
    let conversation = watcher.conversation(id).await;
    let row = conversation["participants"].as_array().unwrap().iter().find(|row| row["user_id"] == of.id).unwrap();
    ["delivered_seq", "read_seq", "rev"].map(|key| row[key].as_i64().unwrap())
}

fn delivered(id: i64, seq: i64) -> Value {
    json!({"type": "message_delivered", "conversation_id": id, "seq": seq})
}

fn read(id: i64, seq: i64) -> Value {
    json!({"type": "message_read", "conversation_id": id, "seq": seq})
}

both_databases!(positions_move_forward_and_read_implies_delivered);
async fn positions_move_forward_and_read_implies_delivered(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (id, _) = messages(&ann, &bob, 4).await;
    let mut phone = bob.connect().await;
    assert_eq!(shared_position(&ann, id, &bob).await, [0, 0, 1]);
    for (frame, expected) in [
        (delivered(id, 2), [2, 0, 6]),
        (read(id, 1), [2, 1, 7]),
        (read(id, 3), [3, 3, 8]),
        (delivered(id, 1), [3, 3, 8]),
        (read(id, 2), [3, 3, 8]),
        (read(id, 3), [3, 3, 8]),
        (delivered(id, 4), [4, 3, 9]),
        (json!({"type": "conversation_read", "recipient_id": ann.id}), [4, 4, 10]),
        (json!({"type": "conversation_read", "conversation_id": id}), [4, 4, 10]),
    ] {
        phone.ack(frame.clone()).await;
        for watcher in [&ann, &bob] {
            assert_eq!(shared_position(watcher, id, &bob).await, expected, "after {frame}");
        }
    }
    assert_eq!(shared_position(&ann, id, &ann).await, [0, 0, 1], "the sender's own position is private");
}

both_databases!(rest_and_socket_move_the_same_positions);
async fn rest_and_socket_move_the_same_positions(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (id, sent) = messages(&ann, &bob, 4).await;
    let at = |tail: &str| format!("/api/conversations/{id}/{tail}");
    bob.post(&at("delivered"), json!({"seq": 1})).await.is(204);
    assert_eq!(shared_position(&ann, id, &bob).await, [1, 0, 6]);
    bob.post(&at("read"), json!({"seq": 1})).await.is(204);
    assert_eq!(shared_position(&ann, id, &bob).await, [1, 1, 7]);
    bob.call("POST", &format!("/api/messages/{}/read", sent[1]["id"])).await.is(204);
    assert_eq!(shared_position(&ann, id, &bob).await, [2, 2, 8]);
    bob.connect().await.ack(json!({"type": "message_read", "message_id": sent[2]["id"]})).await;
    assert_eq!(shared_position(&ann, id, &bob).await, [3, 3, 9]);
    bob.post(&at("read"), json!({})).await.is(204);
    assert_eq!(shared_position(&ann, id, &bob).await, [4, 4, 10]);
}

both_databases!(a_read_request_has_no_body_or_a_json_body);
async fn a_read_request_has_no_body_or_a_json_body(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (id, sent) = messages(&ann, &bob, 4).await;
    let everything = format!("/api/conversations/{id}/read");
    let upto_third = format!("/api/messages/{}/read", sent[2]["id"]);
    for path in [&upto_third, &everything] {
        for (content_type, body, status) in [
            ("text/plain", r#"{"seq":1}"#, 415),
            ("application/x-www-form-urlencoded", "seq=1", 415),
            ("application/json", "seq", 400),
            ("application/json", " ", 400),
            ("application/json", "[]", 400),
            ("application/json", "null", 400),
        ] {
            bob.post_text(path, content_type, body).await.refused(status, "invalid");
        }
        assert_eq!(shared_position(&ann, id, &bob).await[1], if path == &everything { 3 } else { 0 });
        bob.call("POST", path).await.is(204);
        assert_eq!(shared_position(&ann, id, &bob).await[1], if path == &everything { 4 } else { 3 });
        for (content_type, body) in [("application/json", "{}"), ("application/json", ""), ("text/plain", "")] {
            bob.post_text(path, content_type, body).await.is(204);
        }
    }
    bob.call("POST", &format!("/api/conversations/{id}/delivered")).await.refused(415, "invalid");
    hub.visitor().call("POST", &everything).await.refused(401, "unauthenticated");
}

both_databases!(a_position_move_is_sent_once_to_every_session);
async fn a_position_move_is_sent_once_to_every_session(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let (id, sent) = messages(&ann, &bob, 3).await;
    let mut sockets = [ann.connect().await, ann.connect().await, bob.connect().await, bob.connect().await];
    let mut stranger = cat.connect().await;
    let frames = [delivered(id, 1), read(id, 1), read(id, 2), read(id, 2), delivered(id, 1), read(id, 3)];
    for frame in frames {
        sockets[2].ack(frame).await;
    }
    for socket in &mut sockets {
        let mut received = socket.arrived().await;
        for frame in &mut received {
            let time = frame["timestamp"].take();
            for key in ["delivered_at", "read_at"] {
                if let Some(at) = frame.get_mut(key) {
                    assert_eq!(*at, time, "the time is that of the move");
                    *at = json!("NOW");
                }
            }
        }
        let receipt = |kind: &str, seq: usize, rev: i64, times: &[&str]| {
            let mut frame = json!({"type": kind, "timestamp": null, "conversation_id": id, "rev": rev,
                "user_id": bob.id, "seq": seq, "message_id": sent[seq - 1]["id"]});
            times.iter().for_each(|key| frame[*key] = json!("NOW"));
            frame
        };
        let expected = [
            receipt("message_delivered", 1, 5, &["delivered_at"]),
            receipt("message_read", 1, 6, &["read_at"]),
            receipt("message_read", 2, 7, &["delivered_at", "read_at"]),
            receipt("conversation_read", 3, 8, &["delivered_at", "read_at"]),
        ];
        assert_eq!(received, expected);
    }
    stranger.expect_silence().await;
}

both_databases!(the_status_of_a_message_follows_the_others_positions);
async fn the_status_of_a_message_follows_the_others_positions(hub: &mut TestHub) {
    const NOON: i64 = 1_769_860_800_000;
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON));
    hub.restart_at(&clock);
    let (id, sent) = messages(&ann, &bob, 4).await;
    bob.send_rest(&ann, "mine").await;
    let mut phone = bob.connect().await;
    for (minute, frame) in [(1, read(id, 1)), (2, delivered(id, 3)), (3, read(id, 2))] {
        clock.set(Timestamp::from_millis(NOON + minute * 60_000));
        phone.ack(frame).await;
    }
    let state = |message: &Value| (message["status"].clone(), message["is_read"].clone(), message["read_at"].clone());
    let state_of = |status: &str, read_at: Option<&str>| (json!(status), json!(read_at.is_some()), json!(read_at));
    let expected = [
        state_of("read", Some("2026-01-31T12:01:00.000Z")),
        state_of("read", Some("2026-01-31T12:03:00.000Z")),
        state_of("delivered", None),
        state_of("sent", None),
        state_of("sent", None),
    ];
    for reader in [&ann, &bob] {
        let page = reader.history(id, "").await;
        let states: Vec<_> = page["messages"].as_array().unwrap().iter().map(state).collect();
        assert_eq!(states, expected, "as {} sees it", reader.name);
    }
    let one = ann.history(id, "?limit=1&before_seq=3").await;
    assert_eq!(state(&one["messages"][0]), expected[1], "the state is the same on every page");
    let revs: Vec<_> = ann.history(id, "?before_seq=5").await["messages"].as_array().unwrap().to_vec();
    assert!(revs.iter().zip(&sent).all(|(now, then)| now["rev"] == then["rev"]), "a receipt changes no message");
    clock.set(Timestamp::from_millis(NOON + 240_000));
    ann.post(&format!("/api/conversations/{id}/read"), json!({})).await.is(204);
    let last = bob.conversation(id).await["last_message"].clone();
    assert_eq!(state(&last), state_of("read", Some("2026-01-31T12:04:00.000Z")));
}

both_databases!(receipts_list_delivery_and_read_times_per_user);
async fn receipts_list_delivery_and_read_times_per_user(hub: &mut TestHub) {
    const NOON: i64 = 1_769_860_800_000;
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON));
    hub.restart_at(&clock);
    let (id, sent) = messages(&ann, &bob, 3).await;
    let mut phone = bob.connect().await;
    for (minute, frame) in [(1, delivered(id, 2)), (2, read(id, 1)), (3, read(id, 2)), (4, read(id, 1))] {
        clock.set(Timestamp::from_millis(NOON + minute * 60_000));
        phone.ack(frame).await;
    }
    let at = |minute: i64| json!(format!("2026-01-31T12:0{minute}:00.000Z"));
    for (message, delivered_at, read_at) in
        [(&sent[0], at(1), at(2)), (&sent[1], at(1), at(3)), (&sent[2], Value::Null, Value::Null)]
    {
        let path = format!("/api/messages/{}/receipts", message["id"]);
        let expected = json!({"receipts": [{"user_id": bob.id, "delivered_at": delivered_at, "read_at": read_at}]});
        assert_eq!(ann.get(&path).await.ok(), expected);
        assert_eq!(bob.get(&path).await.ok(), expected);
    }
}

both_databases!(an_invalid_position_is_refused_and_its_key_named);
async fn an_invalid_position_is_refused_and_its_key_named(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (id, sent) = messages(&ann, &bob, 2).await;
    let mut phone = bob.connect().await;
    for seq in
        [json!(3), json!(0), json!(9_007_199_254_740_991_i64), json!(-1), json!(1.5), json!("1"), json!(1_u64 << 53)]
    {
        for call in ["read", "delivered"] {
            let path = format!("/api/conversations/{id}/{call}");
            let detail = bob.post(&path, json!({"seq": seq})).await.refused(400, "invalid");
            assert!(detail.contains("seq"), "{seq}: {detail}");
            let frame = json!({"type": format!("message_{call}"), "conversation_id": id, "seq": seq});
            assert_eq!(phone.refused(frame).await, ("invalid".to_owned(), detail));
        }
    }
    for (frame, key) in [
        (json!({"type": "message_delivered", "conversation_id": id}), "seq"),
        (json!({"type": "message_delivered", "seq": 1}), "conversation_id"),
        (json!({"type": "message_read", "conversation_id": id}), "seq"),
        (json!({"type": "message_read", "seq": 1}), "conversation_id"),
        (json!({"type": "message_read"}), "message_id"),
        (json!({"type": "message_read", "message_id": sent[0]["id"], "seq": 1}), "message_id"),
        (json!({"type": "conversation_read"}), "conversation_id"),
        (json!({"type": "conversation_read", "recipient_id": ann.id, "conversation_id": id}), "conversation_id"),
    ] {
        let (code, message) = phone.refused(frame.clone()).await;
        assert!(code == "invalid" && message.contains(key), "{frame}: {message}");
    }
    assert_eq!(shared_position(&ann, id, &bob).await, [0, 0, 1]);
    phone.expect_silence().await;
}

/// Everything that a user may request about a conversation and a message in it.
async fn ask_everything(user: &User, phone: &mut Socket, id: i64, message_id: i64) -> Vec<(u16, String)> {
    let over_http = |reply: Reply| (reply.status, reply.body);
    let at = |tail: &str| format!("/api/conversations/{id}/{tail}");
    let mut answers = vec![
        over_http(user.post(&at("read"), json!({})).await),
        over_http(user.post(&at("read"), json!({"seq": 1})).await),
        over_http(user.post(&at("read"), json!({"seq": 99})).await),
        over_http(user.post(&at("delivered"), json!({"seq": 1})).await),
        over_http(user.call("POST", &format!("/api/messages/{message_id}/read")).await),
        over_http(user.get(&format!("/api/messages/{message_id}/receipts")).await),
    ];
    for frame in [
        delivered(id, 1),
        read(id, 99),
        json!({"type": "message_read", "message_id": message_id}),
        json!({"type": "conversation_read", "conversation_id": id}),
        json!({"type": "load_history", "conversation_id": id}),
    ] {
        let (code, message) = phone.refused(frame).await;
        answers.push((0, format!("{code}: {message}")));
    }
    answers
}

both_databases!(hidden_and_missing_resources_answer_the_same);
async fn hidden_and_missing_resources_answer_the_same(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let (id, sent) = messages(&ann, &bob, 1).await;
    let mut phone = cat.connect().await;
    let not_mine = ask_everything(&cat, &mut phone, id, sent[0]["id"].as_i64().unwrap()).await;
    let not_there = ask_everything(&cat, &mut phone, 999_999, 999_999).await;
    assert_eq!(not_mine, not_there);
    let is_not_found = |(status, text): &(u16, String)| *status == 404 || text.starts_with("not_found");
    assert!(not_mine.iter().all(is_not_found), "{not_mine:#?}");
    let with_stranger = phone.refused(json!({"type": "conversation_read", "recipient_id": ann.id})).await;
    assert_eq!(with_stranger.0, "not_found");
    assert_eq!(shared_position(&ann, id, &bob).await, [0, 0, 1]);
}

/// The next private change about conversations.
async fn own_states(socket: &mut Socket) -> Value {
    loop {
        let mut update = socket.expect("me_update").await;
        if let Some(states) = update.get_mut("conversations") {
            return states.take();
        }
    }
}

both_databases!(a_block_keeps_shared_positions_unchanged);
async fn a_block_keeps_shared_positions_unchanged(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (id, sent) = messages(&ann, &bob, 3).await;
    let (mut ann_socket, mut phone, mut laptop) =
        (ann.connect().await, bob.connect().await, bob.log_in_again().await.connect().await);
    for (who, other) in [(&ann, &bob), (&bob, &ann)] {
        who.blocks(other).await;
        let before = ann.conversation(id).await;
        let seq = if who.id == ann.id { 2 } else { 3 };
        phone.ack(read(id, seq)).await;
        for socket in [&mut phone, &mut laptop] {
            let own = json!({"id": id, "cleared_seq": 0, "visible_from_seq": 1, "read_seq": seq});
            assert_eq!(own_states(socket).await, json!([own]));
            socket.expect_silence().await;
        }
        ann_socket.expect_silence().await;
        let after = ann.conversation(id).await;
        assert_eq!((&after["rev"], &after["participants"]), (&before["rev"], &before["participants"]));
        assert_eq!(bob.conversation(id).await["unread_count"], 3 - seq);
        let receipts = ann.get(&format!("/api/messages/{}/receipts", sent[0]["id"])).await.ok();
        assert_eq!(receipts["receipts"][0]["read_at"], Value::Null);
        who.unblocks(other).await;
    }
    phone.ack(read(id, 1)).await;
    assert_eq!(ann_socket.expect("message_read").await["seq"], 1, "shared again, from where it was");
    assert_eq!(bob.conversation(id).await["unread_count"], 0, "the reader's own position is further and stays");
}
