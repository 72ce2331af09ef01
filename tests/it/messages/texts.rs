//! Text of every kind in every place that accepts text. It is returned byte for byte, or refused,
//! on each transport and each database. Text that looks like a query is handled like any other
//! text.

use crate::harness::{PASSWORD, Socket, TestHub, User, both_databases, percent_encoded};
use serde_json::{Value, json};

/// A text in JSON form, whether it is valid as a message, and whether as a name.
fn corpus() -> Vec<(String, bool, bool)> {
    let marks = |many: usize| format!("\"Z{}\"", "\u{351}".repeat(many));
    let mut corpus = vec![(marks(8 * 1024), true, false), (marks(63), true, true)];
    corpus.extend(
        [
            (r#""a\u0000b""#, false, false),
            (r#""\u0000""#, false, false),
            (r#""\ud800""#, false, false),
            (r#""x\udfff""#, false, false),
            (r#""\ud83dx\ude00""#, false, false),
            (r#""\ude00\ud83d""#, false, false),
            (r#""\ud83d\ude00""#, true, true),
            (r#""😀👩‍👩‍👧‍👦🏳️‍🌈""#, true, true),
            (r#""\udbff\udfff\ud800\udc00\ufffd\uffff\ufdd0""#, true, true),
            ("\"abc\u{202e}drowkcab\u{202c}\u{2066}x\u{2069}\u{200f}\"", true, false),
            (r#""\u202e\u2067gpj.exe""#, true, false),
            ("\"é e\u{301} Å \u{212b} ﬁ\"", true, true),
            ("\"\u{feff}x\u{200b}\u{2028}\u{2029}\"", true, true),
            ("\"مرحبا بالعالم، שלום\"", true, true),
            (r#""\u0001\u0007\u001b[31m""#, true, false),
            (r#""a\u007fb""#, true, false),
            (r#""a\u0085b""#, true, false),
            (r#""two\r\nlines""#, true, false),
            (r#"" inside blanks ""#, true, true),
            (r#""   ""#, false, false),
            (r#""\u2003\u00a0""#, false, false),
            (r#""\u200b\u2800\u3164\ufe0f\u00ad""#, false, false),
            (r#""می\u200cخواهم क\u094d\u200dष""#, true, true),
            (r#""\\u0000 \\ \" \/""#, true, true),
            (r#""<b>&lt;%00%2e{{x}}${x}</b>""#, true, true),
            (r#""'; DROP TABLE users; -- %_*?""#, true, true),
        ]
        .map(|(literal, as_message, as_name)| (literal.to_owned(), as_message, as_name)),
    );
    corpus
}

/// The text itself; none where JSON cannot represent it.
fn text(literal: &str) -> Option<String> {
    serde_json::from_str(literal).ok()
}

/// The answer to a frame with exactly this text.
async fn answer(phone: &mut Socket, frame: &str, is_good: bool) -> Value {
    phone.text(frame).await;
    phone.expect(if is_good { "ack" } else { "error" }).await
}

both_databases!(
    in_3_rest_and_socket_keep_every_byte_or_refuse_the_message,
    MAX_MESSAGE_CHARS = "20000",
    MAX_FRAME_BYTES = "262144"
);
async fn in_3_rest_and_socket_keep_every_byte_or_refuse_the_message(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let first = ann.send_rest(&bob, "first").await;
    let (id, conversation) = (&first["id"], first["conversation_id"].as_i64().unwrap());
    let (mut phone, mut reader) = (ann.connect().await, bob.connect().await);
    let mut kept = vec!["first".to_owned()];
    for (literal, is_good, _) in corpus() {
        let text = text(&literal);
        let body = format!(r#"{{"recipient_id":{},"content":{literal}}}"#, bob.id);
        let edit = format!(r#"{{"content":{literal}}}"#);
        let by_rest = ann.post_text("/api/messages", "application/json", body.clone()).await;
        let sent = answer(&mut phone, &body.replacen('{', r#"{"type":"private_message","ref":"s","#, 1), is_good).await;
        let path = format!("/api/messages/{id}");
        let edited = ann.text("PATCH".parse().unwrap(), &path, "application/json", edit.clone()).await;
        let frame = edit.replacen('{', &format!(r#"{{"type":"edit_message","ref":"e","message_id":{id},"#), 1);
        let changed = answer(&mut phone, &frame, is_good).await;
        if !is_good {
            for detail in [by_rest.refused(400, "invalid"), edited.refused(400, "invalid")] {
                assert!(detail.starts_with("content"), "{literal}: {detail}");
            }
            for answer in [sent, changed] {
                assert_eq!(answer["code"], "invalid", "{literal}: {answer}");
                assert!(answer["message"].as_str().unwrap().starts_with("content"), "{literal}: {answer}");
            }
            continue;
        }
        let text = text.unwrap();
        let stored = [by_rest.is(201).ok(), sent, edited.is(200).ok(), changed].map(|answer| answer["message"].clone());
        for message in &stored {
            assert_eq!(message["content"], text, "{literal}");
            let read = bob.get(&format!("/api/messages/{}", message["id"])).await.ok();
            assert_eq!(read["message"]["content"], text, "{literal}");
        }
        for kind in ["private_message", "private_message", "message_edited"] {
            assert_eq!(reader.expect(kind).await["message"]["content"], text, "{literal}");
        }
        kept.splice(0..1, [text.clone()]);
        kept.extend([text.clone(), text]);
    }
    assert_eq!(bob.contents(conversation).await, kept);
    assert_eq!(bob.conversations().await[0]["last_message"]["content"], kept[kept.len() - 1]);
}

both_databases!(in_3_a_name_or_title_comes_back_byte_for_byte_or_is_refused);
async fn in_3_a_name_or_title_comes_back_byte_for_byte_or_is_refused(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let ann = hub.promote(&ann).await;
    let group = json!({"participant_ids": [ann.id], "title": "first"});
    let group = bob.post("/api/conversations", group).await.is(201).ok()["conversation"]["id"].clone();
    for (number, (literal, _, is_good)) in corpus().into_iter().enumerate() {
        let form = format!(r#"{{"username":"user{number}","password":"{PASSWORD}","display_name":{literal}}}"#);
        let registered = hub.visitor().post_text("/api/auth/register", "application/json", form).await;
        let made = format!(r#"{{"participant_ids":[{}],"title":{literal}}}"#, ann.id);
        let made = bob.post_text("/api/conversations", "application/json", made).await;
        let (path, title) = (format!("/api/conversations/{group}"), format!(r#"{{"title":{literal}}}"#));
        let renamed = bob.text("PATCH".parse().unwrap(), &path, "application/json", title).await;
        if !is_good {
            for (reply, key) in [(registered, "display_name"), (made, "title"), (renamed, "title")] {
                let detail = reply.refused(400, "invalid");
                assert!(detail.starts_with(key), "{literal}: {detail}");
            }
            continue;
        }
        let text = text(&literal).unwrap();
        let user = registered.is(201).ok()["user"].clone();
        assert_eq!(user["display_name"], text, "{literal}");
        let seen = ann.get(&format!("/api/users/{}", user["id"])).await.ok();
        assert_eq!(seen["user"]["display_name"], text, "{literal}");
        for reply in [made.is(201), renamed.is(200)] {
            let conversation = reply.ok()["conversation"].clone();
            assert_eq!(conversation["title"], text, "{literal}");
            assert_eq!(ann.conversation(conversation["id"].as_i64().unwrap()).await["title"], text, "{literal}");
        }
        let report = format!(r#"{{"user_id":{},"reason":{literal}}}"#, user["id"]);
        bob.post_text("/api/reports", "application/json", report).await.is(201);
        let newest = ann.get("/api/admin/reports?limit=1").await.ok();
        assert_eq!(newest["reports"][0]["reason"], text, "{literal}");
    }
}

const QUERIES: [&str; 12] = [
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    "\" OR \"\"=\"",
    "x') UNION SELECT password_hash FROM users --",
    "%' AND 1=1 --",
    "$1",
    "?1 OR 1=1",
    "\\'; SELECT pg_sleep(10); --",
    "a' || (SELECT 'b') || '",
    "NEAR(ann bob) OR *",
    "ann | ! & bob:*",
    "{ann} : ^ -",
];

both_databases!(in_4_text_that_looks_like_a_query_stays_text);
async fn in_4_text_that_looks_like_a_query_stays_text(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let secret = bob.send_rest(&ann, "a secret of theirs").await;
    let [cat, dan] = hub.users(["cat", "dan"]).await;
    for hostile in QUERIES {
        let query = percent_encoded(hostile);
        let found = cat.get(&format!("/api/users?q={query}")).await.ok();
        let found = found["users"].as_array().unwrap().iter().map(|user| user["username"].clone());
        // Without the characters that are part of no word, one of them is a name.
        let expected: &[&str] = if hostile.starts_with("{ann}") { &["ann"] } else { &[] };
        assert_eq!(found.collect::<Vec<_>>(), expected, "{hostile}");
        let found = cat.get(&format!("/api/search?q={query}")).await.ok();
        assert_eq!(found["messages"], json!([]), "{hostile}");
        let credentials = json!({"username": hostile, "password": hostile});
        hub.visitor().post("/api/auth/login", credentials).await.refused(401, "bad_credentials");
        for path in ["users", "conversations", "messages"] {
            cat.get(&format!("/api/{path}/{query}")).await.refused(400, "invalid");
        }
        cat.get(&format!("/api/conversations?before={query}")).await.refused(400, "invalid");
        cat.put(&format!("/api/messages/{}/reactions/{query}", secret["id"])).await.refused(400, "invalid");
        let epoch = json!({"epoch": hostile, "conversations": {}});
        assert_eq!(cat.post("/api/sync", epoch).await.ok()["complete"], true);
    }
    for hostile in QUERIES {
        let key: String = hostile.split_whitespace().collect();
        let body = json!({"recipient_id": dan.id, "content": hostile, "client_message_id": key});
        let sent = cat.post("/api/messages", body.clone()).await.is(201).ok()["message"].clone();
        assert_eq!((&sent["content"], &sent["client_message_id"]), (&json!(hostile), &json!(key)));
        assert_eq!(cat.post("/api/messages", body).await.is(200).ok()["message"]["id"], sent["id"]);
    }
    let known: Vec<String> = hub.database.texts("SELECT username AS line FROM users ORDER BY id");
    assert_eq!(known, [&ann, &bob, &cat, &dan].map(|user: &User| user.name.clone()));
    assert_eq!(hub.database.count("messages"), 1 + QUERIES.len() as i64);
}
