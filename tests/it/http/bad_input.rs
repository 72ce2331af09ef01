//! Malformed requests are refused with an error that names the key, the same over HTTP and the
//! socket. The socket stays open and nothing is stored.

use crate::harness::{PASSWORD, TestHub, both_databases};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use switchboard::ops::frames::FRAMES;

/// Bodies of a message, with the code of the refusal and the key that the error names. `TO` stands
/// for the id of a user who accepts messages.
const BODIES: &[(&str, &str, &str)] = &[
    (r#"{"#, "invalid", "not JSON"),
    (r#"{"recipient_id":TO,"content":"x""#, "invalid", "not JSON"),
    (r#"{"recipient_id":TO,"content":"x"} trailing"#, "invalid", "not JSON"),
    (r#"{"recipient_id":TO,"content":"x",}"#, "invalid", "not JSON"),
    (r#"{recipient_id:TO}"#, "invalid", "not JSON"),
    (r#"{"recipient_id":TO}"#, "invalid", "content is missing"),
    (r#"{"content":"x"}"#, "invalid", "recipient_id or conversation_id"),
    (
        r#"{"recipient_id":TO,"conversation_id":1,"content":"x"}"#,
        "invalid",
        "recipient_id or conversation_id, not both",
    ),
    (r#"{"recipient_id":TO,"content":null}"#, "invalid", "content"),
    (r#"{"recipient_id":TO,"content":7}"#, "invalid", "content"),
    (r#"{"recipient_id":TO,"content":["x"]}"#, "invalid", "content"),
    (r#"{"recipient_id":TO,"content":{}}"#, "invalid", "content"),
    (r#"{"recipient_id":TO,"content":""}"#, "invalid", "content"),
    (r#"{"recipient_id":TO,"content":" \n\t\u00a0\u2003 "}"#, "invalid", "content"),
    (r#"{"recipient_id":TO,"content":"a\u0000b"}"#, "invalid", "content"),
    (r#"{"recipient_id":TO,"content":"\u0000"}"#, "invalid", "content"),
    (r#"{"recipient_id":TO,"content":"\ud800"}"#, "invalid", "content"),
    (r#"{"recipient_id":TO,"content":"\udc00\ud800"}"#, "invalid", "content"),
    (r#"{"recipient_id":TO,"content":"x","content":"y"}"#, "invalid", "content"),
    (r#"{"recipient_id":0,"content":"x"}"#, "invalid", "recipient_id"),
    (r#"{"recipient_id":-1,"content":"x"}"#, "invalid", "recipient_id"),
    (r#"{"recipient_id":9007199254740992,"content":"x"}"#, "invalid", "recipient_id"),
    (r#"{"recipient_id":99999999999999999999,"content":"x"}"#, "invalid", "recipient_id"),
    (r#"{"recipient_id":1e400,"content":"x"}"#, "invalid", "recipient_id"),
    (r#"{"recipient_id":1.5,"content":"x"}"#, "invalid", "recipient_id"),
    (r#"{"recipient_id":"1","content":"x"}"#, "invalid", "recipient_id"),
    (r#"{"recipient_id":[1],"content":"x"}"#, "invalid", "recipient_id"),
    (r#"{"recipient_id":true,"content":"x"}"#, "invalid", "recipient_id"),
    (r#"{"conversation_id":0,"content":"x"}"#, "invalid", "conversation_id"),
    (r#"{"conversation_id":"1","content":"x"}"#, "invalid", "conversation_id"),
    (r#"{"conversation_id":9007199254740992,"content":"x"}"#, "invalid", "conversation_id"),
    (r#"{"recipient_id":TO,"content":"x","client_message_id":""}"#, "invalid", "client_message_id"),
    (r#"{"recipient_id":TO,"content":"x","client_message_id":"KEY65"}"#, "invalid", "client_message_id"),
    (r#"{"recipient_id":TO,"content":"x","client_message_id":"a b"}"#, "invalid", "client_message_id"),
    (r#"{"recipient_id":TO,"content":"x","client_message_id":"ä"}"#, "invalid", "client_message_id"),
    (r#"{"recipient_id":TO,"content":"x","client_message_id":"a\u0007"}"#, "invalid", "client_message_id"),
    (r#"{"recipient_id":TO,"content":"x","client_message_id":"a\u007f"}"#, "invalid", "client_message_id"),
    (r#"{"recipient_id":TO,"content":"x","client_message_id":5}"#, "invalid", "client_message_id"),
    (r#"{"recipient_id":TO,"content":"x","reply_to_id":"1"}"#, "invalid", "reply_to_id"),
    (r#"{"recipient_id":TO,"content":"x","reply_to_id":0}"#, "invalid", "reply_to_id"),
    (r#"{"recipient_id":TO,"content":"CHARS1001"}"#, "too_large", "content"),
    (r#"{"recipient_id":TO,"content":"WIDE1001"}"#, "too_large", "content"),
];

fn filled(template: &str, to: i64) -> String {
    template
        .replace("TO", &to.to_string())
        .replace("KEY65", &"k".repeat(65))
        .replace("CHARS1001", &"x".repeat(1001))
        .replace("WIDE1001", &"😀".repeat(1001))
}

both_databases!(an_invalid_message_fails_the_same_over_rest_and_socket);
async fn an_invalid_message_fails_the_same_over_rest_and_socket(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut phone, mut bob_socket) = (ann.connect().await, bob.connect().await);
    for (template, code, names) in BODIES {
        let body = filled(template, bob.id);
        let status = if *code == "too_large" { 413 } else { 400 };
        let detail = ann.post_text("/api/messages", "application/json", body.clone()).await.refused(status, code);
        assert!(detail.contains(names), "{template}: {detail}");
        phone.text(&body.replacen('{', r#"{"type":"private_message","#, 1)).await;
        let error = phone.expect("error").await;
        let message = error["message"].as_str().unwrap();
        assert_eq!(error["code"], *code, "{template}: {error}");
        assert!(message.contains(names), "{template}: {message}");
        // Only the position of a syntax error differs, as the frame is longer.
        assert!(message == detail || message.contains("not JSON"), "{template}: {message} is not {detail}");
        phone.answers().await;
    }
    assert_eq!(hub.stored(), [0, 0, 0]);
    bob_socket.expect_silence().await;
}

both_databases!(an_error_never_repeats_the_client_text);
async fn an_error_never_repeats_the_client_text(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut phone = ann.connect().await;
    for body in
        [json!({"recipient_id": "canary", "content": "x"}), json!({"recipient_id": 1, "content": {"canary": 1}})]
    {
        let reply = ann.post("/api/messages", body.clone()).await.is(400);
        assert!(!reply.body.contains("canary"), "{reply:?}");
        let mut frame = body;
        frame["type"] = json!("private_message");
        assert!(!phone.call(frame).await.to_string().contains("canary"));
    }
    phone.frame(json!({"type": "canary"})).await;
    assert!(!phone.expect("error").await.to_string().contains("canary"));
}

both_databases!(a_body_or_frame_must_be_an_object);
async fn a_body_or_frame_must_be_an_object(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut phone = ann.connect().await;
    for body in ["", " ", "null", "true", "7", r#""text""#, "[]", "[{}]", "nonsense", "\u{feff}{}", "{}{}", "\0"] {
        ann.post_text("/api/messages", "application/json", body).await.refused(400, "invalid");
        phone.text(body).await;
        assert_eq!(phone.expect("error").await["code"], "invalid", "{body:?}");
    }
    let deep = "[".repeat(10_000);
    ann.post_text("/api/messages", "application/json", deep.clone()).await.refused(400, "invalid");
    phone.text(&deep).await;
    assert_eq!(phone.expect("error").await["code"], "invalid");
    phone.answers().await;
}

both_databases!(in_1_a_frame_of_unknown_type_is_refused_by_name);
async fn in_1_a_frame_of_unknown_type_is_refused_by_name(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut phone = ann.connect().await;
    for frame in [
        json!({}),
        json!({"content": "x"}),
        json!({"type": null}),
        json!({"type": 7}),
        json!({"type": ""}),
        json!({"type": "Private_Message"}),
        json!({"type": "private_message "}),
        json!({"type": "rewrite_message", "message_id": 1, "content": "x"}),
        json!({"type": "welcome"}),
        json!({"type": "[ping]"}),
    ] {
        phone.frame(frame.clone()).await;
        let error = phone.expect("error").await;
        assert_eq!(error["code"], "invalid", "{frame}");
        assert!(error["message"].as_str().unwrap().contains("type"), "{frame}: {error}");
    }
    phone.answers().await;
}

both_databases!(a_ref_is_echoed_if_its_length_is_allowed);
async fn a_ref_is_echoed_if_its_length_is_allowed(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut phone = ann.connect().await;
    for good in ["a", "\"quoted\\\"", "ünï 😀", &"r".repeat(64), &"ä".repeat(64)] {
        phone.frame(json!({"type": "ping", "ref": good})).await;
        assert_eq!(phone.expect("pong").await["ref"], good);
        phone.frame(json!({"type": "typing_indicator", "recipient_id": bob.id, "is_typing": true, "ref": good})).await;
        assert_eq!(phone.expect("ack").await["ref"], good);
        phone.frame(json!({"type": "nonsense", "ref": good})).await;
        assert_eq!(phone.expect("error").await["ref"], good);
    }
    for bad in [json!(""), json!("r".repeat(65)), json!("ä".repeat(65)), json!(5), json!({}), json!(["a"])] {
        for kind in ["ping", "private_message"] {
            phone.frame(json!({"type": kind, "recipient_id": bob.id, "content": "x", "ref": bad})).await;
            let error = phone.expect("error").await;
            assert_eq!(error["code"], "invalid");
            assert!(error["message"].as_str().unwrap().starts_with("ref"), "{bad}: {error}");
            assert!(error.get("ref").is_none(), "{error}");
        }
    }
    assert_eq!(hub.stored(), [0, 0, 0]);
}

both_databases!(a_client_message_id_has_1_to_64_visible_characters);
async fn a_client_message_id_has_1_to_64_visible_characters(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let visible: String = ('!'..='~').collect();
    for key in ["k", &"k".repeat(64), &visible[..64], &visible[30..]] {
        let body = json!({"recipient_id": bob.id, "content": "x", "client_message_id": key});
        let message = ann.post("/api/messages", body).await.is(201).ok()["message"].clone();
        assert_eq!(message["client_message_id"], key);
    }
}

both_databases!(a_key_of_the_path_takes_precedence_over_the_body);
async fn a_key_of_the_path_takes_precedence_over_the_body(hub: &mut TestHub) {
    let [ann, bob, carl] = hub.users(["ann", "bob", "carl"]).await;
    let (with_bob, with_carl) = (ann.gets_to_know(&bob).await, ann.gets_to_know(&carl).await);
    let body = json!({"content": "for bob", "conversation_id": with_carl, "recipient_id": carl.id});
    let sent = ann.post(&format!("/api/conversations/{with_bob}/messages"), body).await.is(201).ok();
    assert_eq!(sent["message"]["conversation_id"], with_bob);
    let id = &sent["message"]["id"];
    let edited = ann.patch(&format!("/api/messages/{id}"), json!({"content": "still", "message_id": "x"})).await;
    assert_eq!(edited.is(200).ok()["message"]["id"], *id);
    let refusal = ann.post("/api/conversations/0/messages", json!({"content": "x", "conversation_id": with_bob})).await;
    assert_eq!(refusal.refused(400, "invalid"), "conversation_id must be an integer from 1 to 2^53-1");
}

both_databases!(invalid_typing_fails_the_same_over_rest_and_socket);
async fn invalid_typing_fails_the_same_over_rest_and_socket(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    let (mut phone, mut bob_socket) = (ann.connect().await, bob.connect().await);
    for is_typing in [Value::Null, json!("true"), json!(1), json!([])] {
        let path = format!("/api/conversations/{id}/typing");
        let detail = ann.post(&path, json!({"is_typing": is_typing})).await.refused(400, "invalid");
        let frame = json!({"type": "typing_indicator", "conversation_id": id, "is_typing": is_typing});
        assert_eq!(phone.refused(frame).await, ("invalid".into(), detail.clone()));
        assert!(detail.starts_with("is_typing"), "{detail}");
    }
    for (frame, names) in [
        (json!({"conversation_id": id}), "is_typing is missing"),
        (json!({"is_typing": true}), "recipient_id or conversation_id"),
        (json!({"is_typing": true, "conversation_id": id, "recipient_id": bob.id}), "not both"),
        (json!({"is_typing": true, "conversation_id": 0}), "conversation_id"),
        (json!({"is_typing": true, "recipient_id": "1"}), "recipient_id"),
    ] {
        let mut frame = frame;
        frame["type"] = json!("typing_indicator");
        let (code, message) = phone.refused(frame).await;
        assert_eq!(code, "invalid");
        assert!(message.contains(names), "{message}");
    }
    bob_socket.expect_silence().await;
}

both_databases!(az_3_unknown_and_server_only_keys_are_ignored);
async fn az_3_unknown_and_server_only_keys_are_ignored(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let forged = json!({"type": "private_message", "recipient_id": bob.id, "content": "x", "sender_id": bob.id, "id": 99,
        "seq": 99, "rev": 99, "is_read": true, "message_type": "text", "metadata": {}, "created_at": null, "x": {}});
    let message = ann.connect().await.ack(forged.clone()).await["message"].clone();
    let over_rest = ann.post("/api/messages", forged).await.is(201).ok()["message"].clone();
    for (message, seq) in [(message, 1), (over_rest, 2)] {
        assert_eq!((&message["sender_id"], &message["seq"]), (&json!(ann.id), &json!(seq)));
        assert_eq!((&message["message_type"], &message["is_read"]), (&json!("text"), &json!(false)));
        assert!(message["created_at"].as_str().unwrap() > "2026", "{message}");
    }
}

both_databases!(az_3_a_frame_cannot_set_its_sender_id_or_time);
async fn az_3_a_frame_cannot_set_its_sender_id_or_time(hub: &mut TestHub) {
    let [ann, bob, cid] = hub.users(["ann", "bob", "cid"]).await;
    let id = ann.gets_to_know(&bob).await;
    let message = ann.send_rest(&bob, "one").await["id"].clone();
    let (mut phone, mut bob_socket) = (ann.connect().await, bob.connect().await);
    let frames = [
        json!({"type": "private_message", "recipient_id": bob.id, "content": "x", "seq": 987_654}),
        json!({"type": "typing_indicator", "conversation_id": id, "is_typing": true, "seq": 987_654}),
        json!({"type": "join_conversation", "conversation_id": id}),
        json!({"type": "leave_conversation", "conversation_id": id}),
        json!({"type": "edit_message", "message_id": message, "content": "y", "seq": 987_654}),
        json!({"type": "react", "message_id": message, "emoji": "👍", "on": true, "seq": 987_654}),
        json!({"type": "message_delivered", "conversation_id": id, "seq": 2}),
        json!({"type": "message_read", "conversation_id": id, "seq": 2}),
        json!({"type": "conversation_read", "conversation_id": id}),
        json!({"type": "delete_message", "message_id": message, "for": "everyone"}),
        json!({"type": "load_history", "conversation_id": id}),
        json!({"type": "search", "q": "hello"}),
        json!({"type": "sync"}),
    ];
    let tried: BTreeSet<_> = frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    assert_eq!(tried, FRAMES.iter().map(|entry| entry.kind).collect(), "every frame there is");
    for mut frame in frames {
        for key in ["user_id", "sender_id", "from", "caller"] {
            frame[key] = json!(cid.id);
        }
        for key in ["id", "rev", "login_id", "session_id"] {
            frame[key] = json!(987_654);
        }
        for key in ["timestamp", "created_at", "edited_at", "deleted_at", "read_at", "delivered_at", "last_seen_at"] {
            frame[key] = json!("1999-01-01T00:00:00.000Z");
        }
        if frame["type"] == "private_message" {
            // It would silently lose the date of a message, so it is refused.
            let (code, detail) = phone.refused(frame.clone()).await;
            assert!(code == "invalid" && detail.starts_with("created_at"), "{detail}");
            frame.as_object_mut().unwrap().remove("created_at");
        }
        let answer = phone.ack(frame.clone()).await;
        for received in bob_socket.arrived().await.into_iter().chain(phone.arrived().await).chain([answer]) {
            let text = received.to_string();
            assert!(!text.contains("987654") && !text.contains("1999-"), "{frame}: {received}");
            for key in ["user_id", "sender_id"] {
                assert!(
                    received[key] != json!(cid.id) && received["message"][key] != json!(cid.id),
                    "{frame}: {received}"
                );
            }
        }
    }
    assert_eq!(cid.conversations().await, Vec::<Value>::new());
    let forged = json!({"user_id": cid.id, "timestamp": "1999-01-01T00:00:00.000Z", "session_id": 987_654});
    let token = ann.post("/api/auth/token", json!({})).await.ok()["access_token"].clone();
    for (kind, answers) in [("ping", "pong"), ("authenticate", "authenticated")] {
        let mut frame = forged.clone();
        frame["type"] = json!(kind);
        frame["token"] = token.clone();
        phone.frame(frame).await;
        let received = phone.expect(answers).await;
        let text = received.to_string();
        assert!(
            !text.contains("987654") && !text.contains("1999-") && received["user_id"] != json!(cid.id),
            "{received}"
        );
    }
}

both_databases!(an_unsupported_key_that_would_be_lost_is_refused);
async fn an_unsupported_key_that_would_be_lost_is_refused(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sent = ann.send_rest(&bob, "first").await;
    let (id, conversation) = (&sent["id"], &sent["conversation_id"]);
    let mut phone = ann.connect().await;
    let lost = [
        ("created_at", json!("1999-01-01T00:00:00.000Z"), "created_at cannot be chosen by the client; leave it out"),
        ("send_at", json!("2099-01-01T00:00:00.000Z"), "send_at cannot be chosen by the client; leave it out"),
        ("expires_at", json!(60), "expires_at cannot be chosen by the client; leave it out"),
        ("message_type", json!("image"), "message_type must be `text`: clients send no other kind"),
        ("metadata", json!({"colour": "red"}), "metadata is not supported and would be lost; leave it out"),
        ("attachments", json!([{"url": "x"}]), "attachments is not supported and would be lost; leave it out"),
    ];
    for (key, value, expected) in lost {
        let with = |mut body: Value| {
            body[key] = value.clone();
            body
        };
        let frame = with(json!({"type": "private_message", "recipient_id": bob.id, "content": "x"}));
        assert_eq!(phone.refused(frame).await, ("invalid".into(), expected.into()));
        let body = with(json!({"recipient_id": bob.id, "content": "x"}));
        assert_eq!(ann.post("/api/messages", body).await.refused(400, "invalid"), expected);
        let path = format!("/api/conversations/{conversation}/messages");
        assert_eq!(ann.post(&path, with(json!({"content": "x"}))).await.refused(400, "invalid"), expected);
        if !key.ends_with("_at") {
            let frame = with(json!({"type": "edit_message", "message_id": id, "content": "x"}));
            assert_eq!(phone.refused(frame).await, ("invalid".into(), expected.into()));
            let edited = ann.patch(&format!("/api/messages/{id}"), with(json!({"content": "x"}))).await;
            assert_eq!(edited.refused(400, "invalid"), expected);
        }
    }
    for (key, value) in [("created_at", json!(0)), ("role", json!("admin")), ("metadata", json!({"a": 1}))] {
        let mut form = json!({"username": "cat", "password": PASSWORD});
        form[key] = value;
        let detail = hub.visitor().post("/api/auth/register", form).await.refused(400, "invalid");
        assert!(detail.starts_with(key), "{detail}");
    }
    assert_eq!((hub.database.count("messages"), hub.database.count("users")), (1, 2));
}
