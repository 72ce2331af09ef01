//! The log lines under attack: no client can inject a line, and every failed socket and every
//! exceeded limit is logged.

use crate::support::binary::{Binary, Sandbox, wait_for};
use crate::support::hub_process::Person;
use crate::support::tcp::{BINARY, FINAL, PING, RawSocket, TEXT, frame, header};
use chrono::DateTime;
use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// Characters that a terminal or log reader would treat as more than text.
const CONTROLS: [&str; 8] = [
    "\u{1b}[31mred\u{1b}[0m",
    "x\r\n[2026-01-01T00:00:00Z INFO  switchboard::audit] logged in user=1",
    "x\ny",
    "\u{9b}2J",
    "a\u{85}b",
    "\u{7}\u{8}\u{7f}",
    "\tx",
    "a\0b",
];

/// Sends these bytes, and reads until the hub ends the connection.
async fn raw(address: &str, request: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The hub may refuse before it has read everything.
    let _ = stream.write_all(request).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Puts them in the method, the path, the query, and each header that the hub reads.
async fn in_requests(address: &str, cookie: &str) {
    for text in CONTROLS {
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for start in [
            format!("GET /{text} HTTP/1.1"),
            format!("GET /{encoded} HTTP/1.1"),
            format!("GET /api/users/{encoded}?q={encoded} HTTP/1.1"),
            format!("GET /ws?ticket={encoded}&auth={encoded} HTTP/1.1"),
            format!("G{text}T / HTTP/1.1"),
            format!("PUT /api/messages/1/reactions/{encoded} HTTP/1.1"),
        ] {
            let request = format!("{start}\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
            raw(address, request.as_bytes()).await;
        }
        for name in [
            "User-Agent",
            "Origin",
            "X-Forwarded-For",
            "Cookie",
            "Authorization",
            "Host",
            "Referer",
            "Sec-Fetch-Site",
            "Sec-WebSocket-Key",
            "X-Request-Id",
            text,
        ] {
            for target in ["GET /api/auth/me", "GET /ws", "POST /api/auth/login"] {
                let head =
                    format!("{target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n");
                raw(address, format!("{head}{name}: {text}\r\n\r\n").as_bytes()).await;
                // The character as one byte, which is invalid UTF-8.
                let latin: Vec<u8> = text.chars().map(|letter| letter as u32 as u8).collect();
                raw(address, &[head.as_bytes(), name.as_bytes(), b": ", &latin, b"\r\n\r\n"].concat()).await;
            }
        }
    }
}

/// Puts them in all text that users write, by REST and by frames.
async fn in_writing(address: &str, ann: &Person, bob: &Person) {
    let mut socket = ann.connect(address).await.unwrap();
    for text in CONTROLS {
        for (path, body) in [
            ("/api/auth/register", json!({"username": text, "password": text})),
            ("/api/auth/register", json!({"username": "eve", "password": "correct horse", "display_name": text})),
            ("/api/auth/login", json!({"username": text, "password": text})),
            ("/api/auth/token", json!({"refresh_token": text})),
            ("/api/messages", json!({"recipient_id": bob.id, "content": text})),
            ("/api/messages", json!({"recipient_id": text, "content": text})),
            ("/api/messages", json!({"recipient_id": bob.id, "content": "x", text: text, "client_message_id": text})),
            ("/api/conversations", json!({"participant_ids": [bob.id], "title": text})),
            ("/api/reports", json!({"user_id": bob.id, "reason": text})),
            ("/api/sync", json!({"epoch": text, "conversations": {text: 1}})),
        ] {
            let call = Client::new().post(format!("http://{address}{path}")).header("cookie", &ann.cookie);
            assert!(call.json(&body).send().await.unwrap().status().as_u16() < 500, "{path} {body}");
        }
        for body in [
            json!({"type": "private_message", "recipient_id": bob.id, "content": text}),
            json!({"type": text}),
            json!({"type": "ping", "ref": text}),
            json!({"type": "search", "ref": "r", "q": text}),
            json!({"type": "authenticate", "token": 7, text: text}),
            Value::String(text.to_owned()),
        ] {
            socket.send(Message::text(body.to_string())).await.unwrap();
        }
        socket.send(Message::text(text)).await.unwrap();
    }
    socket.send(Message::text(json!({"type": "authenticate", "token": "\u{1b}\r\n.x.y"}).to_string())).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test]
async fn in_6_control_characters_never_reach_the_log() {
    let sandbox = Sandbox::new()
        .with("RUST_LOG", "trace")
        .with("TRUSTED_PROXIES", "127.0.0.1")
        .with("FRAME_RATE", "100000")
        .with("FRAME_BURST", "100000")
        .with("MESSAGE_BURST", "1000");
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let (ann, bob) = (Person::register(&address, "ann").await, Person::register(&address, "bob").await);
    in_requests(&address, &ann.cookie).await;
    in_writing(&address, &ann, &bob).await;
    for text in CONTROLS.iter().filter(|text| !text.contains('\0')) {
        let said = sandbox.run(&["user", "promote", text]).await;
        assert!(!said.stderr.trim_end_matches('\n').contains(char::is_control), "{:?}", said.stderr);
    }
    hub.signal("TERM");
    let ended = hub.ended().await;
    assert!(ended.stderr.contains("TRACE") && ended.stderr.contains("refused"), "all that there is to say");
    let wild: Vec<&str> = ended.stderr.lines().filter(|line| line.contains(char::is_control)).collect();
    assert!(wild.is_empty(), "{wild:#?}");
    // A line that begins like one of ours would be taken for one.
    let forged = ended.stderr.lines().filter(|line| line.starts_with("[2026-01-01T00:00:00Z"));
    assert_eq!(forged.count(), 0);
    assert!(!ended.stdout.trim_end_matches('\n').contains(char::is_control), "{:?}", ended.stdout);
}

/// Waits for a line of the trail with these words, and checks its form.
async fn expect_line(hub: &Binary, words: &[&str]) {
    let found = async || {
        let log = hub.log();
        let mut lines = log.lines().filter(|line| words.iter().all(|word| line.contains(word)));
        lines.next().map(str::to_owned)
    };
    let line = wait_for(&format!("a line with {words:?}"), found).await;
    let (time, rest) = line.strip_prefix('[').and_then(|line| line.split_once(' ')).expect("a time");
    assert!(DateTime::parse_from_rfc3339(time).is_ok(), "{line}");
    assert!(rest.contains("switchboard::audit] "), "{line}");
    for key in [" user=", " address=", " origin=", " code="] {
        assert!(rest.contains(key), "no{key} in {line}");
    }
}

#[tokio::test]
async fn op_3_every_abnormal_socket_close_is_logged() {
    let sandbox = Sandbox::new().with("FRAME_RATE", "1").with("FRAME_BURST", "5");
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let ann = Person::register(&address, "ann").await;
    // The request has one more header behind it.
    let shown = format!("{}\r\nOrigin: http://{address}", ann.cookie);
    let who = format!("socket closed user={} address=127.0.0.1 origin=\"http://{address}\"", ann.id);
    for (code, bytes) in [
        (1002, frame(0xc1, "{}")),
        (1003, frame(FINAL | BINARY, "{}")),
        (1007, frame(FINAL | TEXT, b"\xff")),
        (1009, header(FINAL | TEXT, 1 << 40)),
    ] {
        let mut socket = RawSocket::open(&address, &shown).await;
        assert!(socket.send(bytes).await);
        socket.rest().await;
        expect_line(&hub, &["WARN", &who, &format!("code={code}")]).await;
    }
    let mut flooding = RawSocket::open(&address, &shown).await;
    flooding.flood(&frame(PING, "x"), 200).await;
    expect_line(&hub, &["WARN", &who, "code=4029"]).await;
    drop(RawSocket::open(&address, &shown).await);
    expect_line(&hub, &[&who, "code=1006"]).await;
}

#[tokio::test]
async fn op_3_every_exceeded_limit_is_logged() {
    let sandbox = Sandbox::new()
        .with("MAX_SOCKETS_PER_USER", "1")
        .with("MESSAGE_RATE", "1")
        .with("MESSAGE_BURST", "4")
        .with("FRAME_RATE", "1")
        .with("FRAME_BURST", "4");
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let (ann, bob) = (Person::register(&address, "ann").await, Person::register(&address, "bob").await);
    let own = format!("user={} address=127.0.0.1 origin=\"http://{address}\"", ann.id);
    let page = |call: RequestBuilder| call.header("cookie", &ann.cookie).header("origin", format!("http://{address}"));
    let post = |path: &str| page(Client::new().post(format!("http://{address}{path}")));
    let get = |path: &str| page(Client::new().get(format!("http://{address}{path}")));
    let message = |content: &str| json!({"recipient_id": bob.id, "content": content});
    let status = async |call: RequestBuilder| call.send().await.unwrap().status().as_u16();

    let mut socket = RawSocket::open(&address, &format!("{}\r\nOrigin: http://{address}", ann.cookie)).await;
    assert_eq!(status(get("/ws")).await, 429);
    expect_line(&hub, &["refused", &own, "code=rate_limited status=429 call=GET:/ws"]).await;
    let long = format!(r#"{{"type":"private_message","recipient_id":{},"content":"{}"}}"#, bob.id, "x".repeat(1001));
    socket.send(frame(FINAL | TEXT, &long)).await;
    expect_line(&hub, &["refused", &own, "code=too_large", "frame=send_message"]).await;

    assert_eq!(status(post("/api/messages").json(&message(&"x".repeat(1001)))).await, 413);
    expect_line(&hub, &["refused", &own, "code=too_large status=413 call=POST:/api/messages"]).await;
    assert_eq!(status(post("/api/messages").json(&message(&"x".repeat(70_000)))).await, 413);
    expect_line(&hub, &["refused user=none", "code=too_large status=413 call=POST:/api/messages"]).await;
    assert_eq!(status(get("/api/auth/me").header("x-padding", "x".repeat(17 * 1024))).await, 431);
    expect_line(&hub, &["refused", "code=too_large status=431"]).await;
    let mut replies = Vec::new();
    while replies.last() != Some(&429) {
        replies.push(status(post("/api/messages").json(&message("x"))).await);
        assert!(replies.len() < 1000, "{replies:?}");
    }
    expect_line(&hub, &["refused", &own, "code=rate_limited status=429 call=POST:/api/messages"]).await;
    for _ in 0..20 {
        socket.send(frame(FINAL | TEXT, r#"{"type":"ping"}"#)).await;
    }
    expect_line(&hub, &["refused", &own, "code=rate_limited", "frame=any"]).await;
}

#[tokio::test]
async fn op_3_frames_before_authenticate_log_one_line_per_socket() {
    let sandbox = Sandbox::new();
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    for _ in 0..2 {
        let (mut socket, _) = connect_async(format!("ws://{address}/ws?auth=message")).await.unwrap();
        for turn in 0..3 {
            let frame = json!({"type": "private_message", "recipient_id": 1, "content": "x", "ref": turn.to_string()});
            socket.send(Message::text(frame.to_string())).await.unwrap();
            let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
            assert!(answer.contains(r#""code":"unauthenticated""#), "{answer}");
        }
    }
    let words = ["refused", "user=none", "code=unauthenticated", "frame=any"];
    expect_line(&hub, &words).await;
    hub.signal("TERM");
    let log = hub.ended().await.stderr;
    assert_eq!(log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count(), 2, "{log}");
}
