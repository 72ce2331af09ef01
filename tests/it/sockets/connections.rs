//! The life of a socket: opening, rate limits, and closing.

use crate::harness::{Socket, TestHub, User, any_database, both_databases, eventually};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::Message;

fn message_to(user: &User) -> Value {
    json!({"type": "private_message", "recipient_id": user.id, "content": "x"})
}

any_database!(a_socket_starts_with_the_welcome_and_presence_state, HEARTBEAT_INTERVAL = "7s");
async fn a_socket_starts_with_the_welcome_and_presence_state(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let (welcome, state) = Socket::open(&ann).await.welcome().await;
    let expected = json!({"type": "system", "event": "welcome", "message": welcome["message"], "protocol": 1,
        "user_id": ann.id, "session_id": welcome["session_id"], "epoch": welcome["epoch"], "me": 0,
        "heartbeat_ms": 7000, "timestamp": welcome["timestamp"]});
    assert_eq!(welcome, expected);
    assert!(welcome["session_id"].is_string() && welcome["epoch"].is_string() && welcome["message"].is_string());
    assert_eq!(state["online"], json!([]));
    ann.put(&format!("/api/contacts/{}", hub.users(["bob"]).await[0].id)).await.is(204);
    let (welcome, _) = Socket::open(&ann).await.welcome().await;
    assert_eq!(welcome["me"], 1, "each private change has a number");
}

any_database!(a_handshake_of_another_version_gets_the_supported_one);
async fn a_handshake_of_another_version_gets_the_supported_one(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for (connection, upgrade, version) in [
        ("upgrade", "websocket", "12"),
        ("upgrade", "websocket", "8"),
        ("upgrade", "websocket", "14"),
        ("upgrade", "websocket", "13, 8"),
        ("upgrade", "h2c", "13"),
        ("close", "websocket", "13"),
    ] {
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nCookie: {}\r\nConnection: {connection}\r\nUpgrade: {upgrade}\r\n\
             Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            hub.port(),
            ann.cookie()
        );
        let answer = ann.raw_head(&request).await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 426 "), "{connection} {upgrade} {version}: {answer}");
        assert!(answer.contains("sec-websocket-version: 13\r\n"), "{answer}");
    }
    let plain = ann.get("/ws").await;
    assert_eq!(plain.header("upgrade"), Some("websocket"));
    plain.refused(426, "invalid");
    ann.post("/ws", json!({})).await.refused(405, "invalid");
}

any_database!(pings_of_both_kinds_are_answered);
async fn pings_of_both_kinds_are_answered(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut phone = ann.connect().await;
    for payload in ["", "payload", &"p".repeat(125)] {
        phone.message(Message::Ping(payload.to_owned().into())).await;
        assert_eq!(phone.expect("[pong]").await["payload"], payload);
    }
    phone.message(Message::Pong("unasked".into())).await;
    phone.frame(json!({"type": "ping"})).await;
    assert!(phone.next().await.get("ref").is_none());
    phone.frame(json!({"type": "ping", "ref": "7"})).await;
    let pong = phone.next().await;
    assert_eq!((&pong["type"], &pong["ref"]), (&json!("pong"), &json!("7")));
}

both_databases!(answers_arrive_in_the_order_of_the_frames);
async fn answers_arrive_in_the_order_of_the_frames(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut phone = ann.connect().await;
    let kinds = [
        message_to(&bob),
        json!({"type": "ping"}),
        json!({"type": "typing_indicator", "recipient_id": bob.id, "is_typing": true}),
        json!({"type": "nonsense"}),
        json!({"type": "private_message", "recipient_id": bob.id}),
    ];
    for number in 0..40 {
        let mut frame = kinds[number % kinds.len()].clone();
        frame["ref"] = json!(number.to_string());
        phone.frame(frame).await;
    }
    let mut answered = Vec::new();
    while answered.len() < 40 {
        let frame = phone.next().await;
        answered.extend(frame["ref"].as_str().map(|reference| reference.parse::<usize>().unwrap()));
    }
    assert_eq!(answered, (0..40).collect::<Vec<_>>());
}

any_database!(a_flood_of_frames_gets_a_warning_and_then_a_close, FRAME_RATE = "1", FRAME_BURST = "10");
async fn a_flood_of_frames_gets_a_warning_and_then_a_close(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let ping = || Message::text(r#"{"type":"ping"}"#);
    for flood in [ping(), Message::Ping("x".into()), Message::Pong("x".into()), Message::text("nonsense")] {
        let mut phone = ann.connect().await;
        for _ in 0..10 {
            phone.message(flood.clone()).await;
        }
        let error = loop {
            phone.message(ping()).await;
            let answer = phone.next().await;
            if answer["code"] == "rate_limited" {
                break answer;
            }
        };
        assert!(error["retry_in_ms"].as_i64().is_some_and(|wait| (1..=1000).contains(&wait)), "{error}");
        // The frames are sent in one piece, which the hub takes as a whole also when it cuts off.
        phone.repeat(&flood, 40).await;
        assert_eq!(phone.closed().await, Some(4029), "{flood:?}");
    }
}

any_database!(a_socket_that_obeys_the_retry_time_stays_open, FRAME_RATE = "5", FRAME_BURST = "5");
async fn a_socket_that_obeys_the_retry_time_stays_open(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut phone = ann.connect().await;
    for _ in 0..3 {
        let warning = loop {
            phone.frame(json!({"type": "ping"})).await;
            let answer = phone.next().await;
            if answer["type"] == "error" {
                break answer;
            }
        };
        let wait = warning["retry_in_ms"].as_u64().unwrap();
        // The test waits as long as the hub asked for, not for an event.
        tokio::time::sleep(Duration::from_millis(wait + 1)).await;
        phone.answers().await;
    }
}

both_databases!(messages_over_the_rate_limit_are_refused_and_not_stored, MESSAGE_RATE = "1", MESSAGE_BURST = "3");
async fn messages_over_the_rate_limit_are_refused_and_not_stored(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut phone, mut laptop) = (ann.connect().await, ann.log_in_again().await.connect().await);
    let mut accepted = 0;
    let refusal = loop {
        // The devices take turns: the limit belongs to the user.
        let socket = if accepted % 2 == 0 { &mut phone } else { &mut laptop };
        let answer = socket.call(message_to(&bob)).await;
        if answer["type"] == "error" {
            break answer;
        }
        accepted += 1;
    };
    assert!(accepted >= 3, "the burst passes: {accepted}");
    assert_eq!(refusal["code"], "rate_limited");
    assert!(refusal["retry_in_ms"].as_i64().is_some_and(|wait| (0..=1000).contains(&wait)), "{refusal}");
    let reply = loop {
        let reply = ann.post("/api/messages", message_to(&bob)).await;
        match reply.status {
            201 => accepted += 1,
            _ => break reply,
        }
    };
    assert_eq!(reply.header("retry-after"), Some("1"));
    reply.refused(429, "rate_limited");
    bob.send_rest(&ann, "others are not slowed down").await;
    ann.get("/api/conversations").await.is(200);
    assert_eq!(hub.stored(), [accepted + 1, 1, 2]);
}

any_database!(a_user_has_a_limited_number_of_sockets, MAX_SOCKETS_PER_USER = "2");
async fn a_user_has_a_limited_number_of_sockets(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let laptop = ann.log_in_again().await;
    let (one, mut two) = (ann.connect().await, laptop.connect().await);
    for login in [&ann, &laptop] {
        let reply = login.handshake().await;
        assert!(reply.header("retry-after").is_some(), "{reply:?}");
        reply.refused(429, "rate_limited");
    }
    two.answers().await;
    bob.connect().await.answers().await;
    one.close().await;
    eventually("a slot is given back", async || ann.has_a_slot().await).await;
    ann.connect().await.answers().await;
}

any_database!(a_socket_that_answers_no_ping_is_closed, HEARTBEAT_INTERVAL = "200ms", HEARTBEAT_TIMEOUT = "1s");
async fn a_socket_that_answers_no_ping_is_closed(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    // The client answers pings when it reads, so it does not read.
    let mut silent = ann.connect().await;
    hub.wait_for_connections(0).await;
    let unread = silent.unread().await;
    assert!(unread.windows(4).any(|bytes| bytes[0] == 0x88 && bytes[2..] == 4008_u16.to_be_bytes()), "{unread:?}");
}

any_database!(a_socket_that_answers_pings_stays_open, HEARTBEAT_INTERVAL = "800ms", HEARTBEAT_TIMEOUT = "6s");
async fn a_socket_that_answers_pings_stays_open(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut quiet = ann.connect().await;
    // Eight intervals are longer than the timeout.
    for _ in 0..8 {
        quiet.expect("[ping]").await;
    }
    quiet.answers().await;
}

both_databases!(a_stopping_hub_closes_every_socket_with_1012);
async fn a_stopping_hub_closes_every_socket_with_1012(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut sockets = Vec::new();
    for number in 0..20 {
        let user = if number % 2 == 0 { &ann } else { &bob };
        sockets.push(user.connect().await);
    }
    let last = sockets[0].send(&bob, "last words").await;
    let codes = hub
        .stop_while(async {
            let mut codes = Vec::new();
            for socket in &mut sockets {
                codes.push(socket.closed().await);
            }
            codes
        })
        .await;
    assert_eq!(codes, [Some(1012); 20]);
    hub.restart();
    let id = last["conversation_id"].as_i64().unwrap();
    assert_eq!(bob.contents(id).await, ["last words"]);
}
