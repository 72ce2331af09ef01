//! The audit log of the real binary: a line for every refused client, and no message text or
//! credential at any level.

use crate::harness::issuer::{AUDIENCE, ED, ISSUER, OTHER_RSA, RSA, claims, now};
use crate::support::binary::{Binary, Sandbox, wait_for};
use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// A marker in every value that must never be in a log.
const CANARY: &str = "canary";

/// A user of the hub, over HTTP and a socket.
struct Person {
    http: Client,
    address: String,
    headers: Vec<(&'static str, String)>,
    /// The error message of every refusal.
    refusals: Vec<String>,
}

impl Person {
    fn new(address: &str) -> Self {
        Self { http: Client::new(), address: address.to_owned(), headers: Vec::new(), refusals: Vec::new() }
    }

    async fn call(&mut self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut request =
            self.http.request(method.parse::<Method>().unwrap(), format!("http://{}{path}", self.address));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        // A handshake has no body.
        let request = if method == "GET" { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        if let Some(cookie) = answer.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            self.headers.retain(|(name, _)| *name != "cookie");
            self.headers.push(("cookie", cookie));
        }
        let text = answer.text().await.unwrap();
        if status >= 400 {
            self.refusals.push(text.clone());
        }
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn register(&mut self, username: &str, password: &str) -> i64 {
        let form = json!({"username": username, "password": password, "display_name": "canary name",
                          "email": "canary@example.org"});
        let (status, body) = self.call("POST", "/api/auth/register", form).await;
        assert_eq!(status, 201, "{body}");
        body["user"]["id"].as_i64().unwrap()
    }

    /// Sends the frames over one socket, and waits for an answer to each.
    async fn says(&mut self, frames: &[String]) {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        for (name, value) in &self.headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (mut socket, _) = connect_async(request).await.unwrap();
        for (turn, frame) in frames.iter().enumerate() {
            socket.send(Message::text(frame)).await.unwrap();
            socket.send(Message::text(format!(r#"{{"type":"ping","ref":"end {turn}"}}"#))).await.unwrap();
            loop {
                let Some(Ok(message)) = socket.next().await else { panic!("closed after {frame}") };
                let Ok(text) = message.into_text() else { continue };
                if text.contains(r#""type":"error""#) {
                    self.refusals.push(text.to_string());
                } else if text.contains(&format!("end {turn}")) {
                    break;
                }
            }
        }
        socket.close(None).await.unwrap();
        while socket.next().await.is_some() {}
    }
}

/// The lines of the trail that contain all of these.
fn lines<'a>(log: &'a str, words: &[&str]) -> Vec<&'a str> {
    let is_meant = |line: &&str| line.contains("switchboard::audit]") && words.iter().all(|word| line.contains(word));
    log.lines().filter(is_meant).collect()
}

/// Writes the marker in every way, valid and invalid: as every kind of user, over every transport.
async fn writes_and_errs(ann: &mut Person, bob: i64) {
    let text = |what: &str| format!("{CANARY} {what}");
    let (_, sent) = ann
        .call(
            "POST",
            "/api/messages",
            json!({"recipient_id": bob, "content": text("body"), "client_message_id": CANARY}),
        )
        .await;
    let (message, conversation) = (&sent["message"]["id"], &sent["message"]["conversation_id"]);
    for (method, path, body) in [
        ("POST", "/api/messages".to_owned(), json!({"recipient_id": 1, "content": text("to oneself")})),
        ("POST", "/api/messages".to_owned(), json!({"recipient_id": text("as an id"), "content": text("body")})),
        (
            "POST",
            "/api/messages".to_owned(),
            json!({"recipient_id": bob, "content": text("other"), "client_message_id": CANARY}),
        ),
        ("POST", "/api/messages".to_owned(), json!({"recipient_id": bob, "content": text("long").repeat(500)})),
        ("POST", format!("/api/conversations/{conversation}/messages"), json!({"content": text("there")})),
        ("PATCH", format!("/api/messages/{message}"), json!({"content": text("edited")})),
        ("PUT", format!("/api/messages/{message}/reactions/{CANARY}"), Value::Null),
        ("GET", format!("/api/search?q={CANARY}"), Value::Null),
        ("GET", format!("/api/search?q={CANARY}&before={CANARY}"), Value::Null),
        ("GET", format!("/api/users?q={CANARY}&limit={CANARY}"), Value::Null),
        ("GET", format!("/api/users/{CANARY}"), Value::Null),
        ("GET", format!("/{CANARY}"), Value::Null),
        (CANARY, "/api/auth/me".to_owned(), Value::Null),
        (
            "POST",
            "/api/conversations".to_owned(),
            json!({"participant_ids": [bob], "title": text("title"), "client_id": CANARY}),
        ),
        ("POST", "/api/conversations".to_owned(), json!({"participant_ids": [CANARY], "title": text("title")})),
        ("POST", "/api/reports".to_owned(), json!({"user_id": bob, "reason": text("reason")})),
        ("POST", "/api/sync".to_owned(), json!({"epoch": CANARY, "conversations": {"1": CANARY}})),
        ("POST", format!("/api/conversations/{conversation}/typing"), json!({"is_typing": CANARY})),
        ("GET", "/api/admin/reports".to_owned(), Value::Null),
        ("DELETE", format!("/api/messages/{message}?for={CANARY}"), Value::Null),
    ] {
        ann.call(method, &path, body).await;
    }
    let mut frames: Vec<String> = switchboard::ops::frames::FRAMES
        .iter()
        .map(|entry| {
            json!({"type": entry.kind, "ref": CANARY, "recipient_id": bob, "content": text("frame"), "q": CANARY,
                   "message_id": message, "emoji": CANARY, "on": true, "for": CANARY, "seq": CANARY,
                   "client_message_id": CANARY, "epoch": CANARY, "is_typing": CANARY})
        })
        .map(|frame| frame.to_string().replace(r#""ref":"canary""#, r#""ref":"r""#))
        .collect();
    frames.push(json!({"type": "private_message", "recipient_id": bob, "content": text("live")}).to_string());
    frames.push(json!({"type": CANARY}).to_string());
    frames.push(format!("{{{CANARY}"));
    ann.says(&frames).await;
}

/// Authenticates by the address or by a frame, and waits for an answer.
async fn proves(address: &str, path: &str, frame: Option<Value>) {
    let (mut socket, _) = connect_async(format!("ws://{address}{path}")).await.unwrap();
    if let Some(frame) = frame {
        socket.send(Message::text(frame.to_string())).await.unwrap();
    }
    assert!(socket.next().await.unwrap().unwrap().is_text());
    // The socket is closed already where it was refused.
    let _ = socket.close(None).await;
    while let Some(Ok(_)) = socket.next().await {}
}

fn sandbox() -> Sandbox {
    Sandbox::new()
        .with("RUST_LOG", "debug,switchboard=trace")
        .with("FRAME_RATE", "100000")
        .with("FRAME_BURST", "100000")
}

async fn closed(hub: &Binary, sockets: usize) {
    let are_closed = async || (lines(&hub.log(), &["socket closed"]).len() >= sockets).then_some(());
    wait_for("the lines of closed sockets", are_closed).await;
}

#[tokio::test]
async fn op_3_texts_and_credentials_are_never_logged_or_echoed() {
    let sandbox = sandbox();
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let (mut ann, mut bob) = (Person::new(&address), Person::new(&address));
    ann.register("ann", "canary-password").await;
    let bob = bob.register("bob", "canary-password").await;
    writes_and_errs(&mut ann, bob).await;
    let (_, token) = ann.call("POST", "/api/auth/token", json!({})).await;
    let token = token["access_token"].as_str().unwrap().to_owned();
    let cookies: Vec<_> = ann.headers.iter().map(|(_, value)| value.split_once('=').unwrap().1.to_owned()).collect();
    let mut secrets = vec![CANARY.to_owned(), token.clone(), token.rsplit_once('.').unwrap().1.to_owned()];
    secrets.extend(cookies);
    let (_, answer) = ann.call("POST", "/api/auth/ticket", json!({})).await;
    let ticket = answer["ticket"].as_str().unwrap().to_owned();
    proves(&address, &format!("/ws?ticket={ticket}"), None).await;
    for token in [&*token, "canary.canary.canary"] {
        proves(&address, "/ws?auth=message", Some(json!({"type": "authenticate", "token": token}))).await;
    }
    secrets.push(ticket);

    let mut by_token = Person::new(&address);
    by_token.headers.push(("authorization", format!("Bearer {token}")));
    by_token.call("GET", "/api/auth/me", Value::Null).await;
    by_token.says(&[json!({"type": "ping"}).to_string()]).await;
    for (name, value) in [
        ("authorization", "Bearer canary.canary.canary"),
        ("authorization", "Basic canary"),
        ("cookie", "switchboard=canary"),
        ("cookie", "session=canary"),
    ] {
        let mut stranger = Person::new(&address);
        stranger.headers.push((name, value.to_owned()));
        stranger.call("GET", "/api/auth/me", Value::Null).await;
        stranger.call(CANARY, "/canary", Value::Null).await;
        stranger.call("GET", "/ws?ticket=canary&token=canary", Value::Null).await;
        by_token.refusals.append(&mut stranger.refusals);
    }
    for name in ["ann", "canary-name"] {
        let form = json!({"username": name, "password": "canary-guess"});
        by_token.call("POST", "/api/auth/login", form).await;
    }
    by_token.call("POST", "/api/auth/register", json!({"username": "ann", "password": "canary-password"})).await;
    by_token.call("POST", "/api/auth/register", json!({"username": "canary", "password": 7})).await;
    ann.call("POST", "/api/auth/logout", json!({})).await;

    closed(&hub, 5).await;
    hub.signal("TERM");
    let ended = hub.ended().await;
    assert!(
        ended.stderr.contains("TRACE") || ended.stderr.contains("DEBUG"),
        "all that there is to say: {}",
        ended.stderr
    );
    let refusals: Vec<_> = ann.refusals.iter().chain(&by_token.refusals).collect();
    assert!(refusals.len() > 25, "{} refusals", refusals.len());
    for secret in &secrets {
        for said in [&ended.stdout, &ended.stderr].into_iter().chain(refusals.iter().copied()) {
            let lines: Vec<_> = said.lines().filter(|line| line.contains(secret.as_str())).collect();
            assert!(lines.is_empty(), "{secret}: {lines:#?}");
        }
    }
}

#[tokio::test]
async fn op_3_every_refusal_is_logged_with_user_address_and_origin() {
    let sandbox =
        Sandbox::new().with("TRUSTED_PROXIES", "127.0.0.1").with("MESSAGE_RATE", "1").with("MESSAGE_BURST", "1");
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let mut ann = Person::new(&address);
    let own = format!("http://{address}");
    ann.headers.extend([("x-forwarded-for", "192.0.2.7".to_owned()), ("origin", own.clone())]);
    let id = ann.register("ann", "correct horse").await;
    let from = format!("user={id} address=192.0.2.7 origin=\"{own}\"");

    let login = |password: &str| json!({"username": "ann", "password": password});
    assert_eq!(ann.call("POST", "/api/auth/login", login("correct horse")).await.0, 200);
    for _ in 0..10 {
        assert_eq!(ann.call("POST", "/api/auth/login", login("wrong")).await.0, 401);
    }
    assert_eq!(ann.call("POST", "/api/auth/login", login("correct horse")).await.0, 429);
    assert_eq!(ann.call("GET", "/api/admin/reports", Value::Null).await.0, 403);
    let flood = r#"{"type":"private_message","recipient_id":1,"content":"x"}"#.to_owned();
    ann.says(&vec![flood; 10]).await;
    let limited =
        ann.refusals.iter().filter(|refusal| refusal.contains(r#""type":"error""#) && refusal.contains("rate_limited"));
    let limited = limited.count();
    assert!(limited > 0, "ten within a few seconds: {:?}", ann.refusals);
    let mut evil = Person::new(&address);
    let hostile = "http://evil.example/\u{85}x";
    evil.headers.extend([("cookie", ann.headers.last().unwrap().1.clone())]);
    evil.headers.push(("origin", hostile.to_owned()));
    assert_eq!(evil.call("POST", "/api/messages", json!({})).await.0, 403);
    assert_eq!(evil.call("GET", "/ws", Value::Null).await.0, 403);
    evil.headers = vec![("host", "rebound.example".to_owned())];
    assert_eq!(evil.call("GET", "/api/auth/me", Value::Null).await.0, 421);
    evil.headers.clear();
    assert_eq!(evil.call("GET", "/api/auth/me", Value::Null).await.0, 401);
    assert_eq!(evil.call("GET", "/ws", Value::Null).await.0, 401);
    assert_eq!(ann.call("POST", "/api/auth/logout", json!({})).await.0, 204);
    closed(&hub, 1).await;

    let log = hub.log();
    for (words, count) in [
        (vec!["registered", from.as_str()], 1),
        // Including the login that a registration creates.
        (vec!["logged in", from.as_str()], 2),
        (vec!["WARN", "login failed", from.as_str(), "code=bad_credentials status=401 call=POST:/api/auth/login"], 10),
        (
            vec![
                "WARN",
                "refused user=none address=192.0.2.7",
                "code=rate_limited status=429 call=POST:/api/auth/login",
            ],
            1,
        ),
        (vec!["WARN", "refused", from.as_str(), "code=forbidden status=403 call=GET:/api/admin/reports"], 1),
        (vec!["INFO", "socket opened", from.as_str()], 1),
        (vec!["INFO", "socket closed", from.as_str(), "code=1005"], 1),
        (vec!["WARN", "refused", from.as_str(), "code=rate_limited", "frame=send_message"], limited),
        (
            vec![
                "refused user=none address=127.0.0.1 origin=\"http://evil.example/",
                "code=bad_origin status=403 call=POST:/api/messages",
            ],
            1,
        ),
        (
            vec![
                "refused user=none address=127.0.0.1 origin=\"http://evil.example/",
                "code=bad_origin status=403 call=GET:/ws",
            ],
            1,
        ),
        (vec!["refused user=none address=127.0.0.1 origin=none code=bad_host status=421"], 1),
        (
            vec![
                "refused user=none address=127.0.0.1 origin=none code=unauthenticated status=401 call=GET:/api/auth/me",
            ],
            1,
        ),
        (vec!["refused user=none address=127.0.0.1 origin=none code=unauthenticated status=401 call=GET:/ws"], 1),
        (vec!["logged out", from.as_str()], 1),
    ] {
        assert_eq!(lines(&log, &words).len(), count, "{words:?} in {log}");
    }
    let is_raw = |letter: char| letter.is_control() && letter != '\n';
    assert!(!log.contains(is_raw), "no control characters: {log:?}");
}

/// External tokens that are refused, and the reasons.
fn refused_tokens() -> Vec<(String, &'static str)> {
    let claim = |name: &str, value: Value| {
        let mut claims = claims("u-1");
        claims[name] = value;
        RSA.sign(&RSA.header(), &claims)
    };
    let header = |name: &str, value: &str| {
        let mut header = RSA.header();
        header[name] = json!(value);
        RSA.sign(&header, &claims("u-1"))
    };
    vec![
        (claim("iss", json!("https://other.example")), "iss is 'https://other.example', not JWT_ISSUER"),
        (claim("iss", json!("x\n[2026 INFO] \u{202e}\"'")), r#"iss is 'x\n[2026 INFO] \u{202e}\"\'', not JWT_ISSUER"#),
        (claim("aud", json!(["mail", "web"])), "aud is 'mail web', not JWT_AUDIENCE"),
        (claim("aud", json!("x".repeat(9000))), concat!("aud is 'xxxxxxxxxx", "xxxxxxxxxxxxxxxxxxxx")),
        (claim("aud", json!(7)), "a required claim is missing or has the wrong type"),
        (claim("sub", json!("")), "sub must have 1 to 255 characters"),
        (claim("exp", json!(now() - 3600)), "exp was 36"),
        (claim("nbf", json!(now() + 3600)), "nbf is 3"),
        (header("kid", "two"), "no key matches it: alg RS256, kid 'two'"),
        (header("kid", "a\u{85}b"), r"no key matches it: alg RS256, kid 'a\u{85}b'"),
        (header("typ", "id+jwt"), "typ is 'id+jwt', not JWT or at+jwt"),
        (header("jku", "https://evil.example/keys"), "its header has jku"),
        (OTHER_RSA.token("u-1", "Ann"), "no key verifies its signature: alg RS256, kid none"),
        (ED.token("u-1", "Ann"), "no key matches it: alg EdDSA, kid none"),
        ("junk".to_owned(), "it is not a JWT"),
    ]
}

#[tokio::test]
async fn only_the_log_says_why_a_signed_token_was_refused() {
    let sandbox = Sandbox::new().with("JWT_PUBLIC_KEY_FILE", "keys.pem").with("JWT_ISSUER", ISSUER);
    let sandbox = sandbox.with("JWT_AUDIENCE", AUDIENCE).with("TRUSTED_PROXIES", "127.0.0.1");
    std::fs::write(sandbox.path("keys.pem"), format!("kid: one\n{}", RSA.pem())).unwrap();
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let tokens = refused_tokens();
    for (number, (token, reason)) in tokens.iter().enumerate() {
        let mut stranger = Person::new(&address);
        // One address causes only a few lines.
        stranger.headers.push(("x-forwarded-for", format!("192.0.2.{number}")));
        stranger.headers.push(("authorization", format!("Bearer {token}")));
        let (status, body) = stranger.call("GET", "/api/auth/me", Value::Null).await;
        let detail = body["detail"].as_str().unwrap();
        assert!(status == 401 && ["token invalid", "token expired"].contains(&detail), "{reason}: {body}");
    }
    let (by_frame, _) = &tokens[0];
    proves(&address, "/ws?auth=message", Some(json!({"type": "authenticate", "token": by_frame}))).await;
    closed(&hub, 1).await;
    let log = hub.log();
    let count = |call: &str, reason: &str| lines(&log, &["refused", "code=unauthenticated", call, reason]).len();
    for (token, reason) in &tokens {
        let logged = format!("reason={reason:?}");
        assert_eq!(count("call=GET:/api/auth/me", logged.trim_end_matches('"')), 1, "{reason} in {log}");
        let mut parts = token.split('.').filter(|part| part.len() > 20);
        assert!(parts.all(|part| !log.contains(part)), "no part of the token: {log}");
    }
    assert_eq!(count("frame=authenticate", "reason=\"iss is 'https://other.example'"), 1, "{log}");
    assert!(lines(&log, &[]).iter().all(|line| line.len() < 500), "{log}");
}

#[tokio::test]
async fn an_ipv4_proxy_is_trusted_by_a_hub_that_listens_on_ipv6() {
    for trusted in ["127.0.0.0/8", "::ffff:127.0.0.1"] {
        let sandbox = Sandbox::new().with("BIND", "[::]:0").with("TRUSTED_PROXIES", trusted);
        let mut hub = sandbox.start(&[]);
        let port = hub.address().await.rsplit_once(':').unwrap().1.to_owned();
        let mut stranger = Person::new(&format!("127.0.0.1:{port}"));
        assert_eq!(stranger.call("GET", "/api/auth/me", Value::Null).await.0, 401);
        stranger.headers.push(("x-forwarded-for", "::ffff:192.0.2.7".to_owned()));
        assert_eq!(stranger.call("GET", "/api/auth/me", Value::Null).await.0, 401);
        stranger.headers = vec![("x-forwarded-for", "unknown".to_owned())];
        assert_eq!(stranger.call("GET", "/api/auth/me", Value::Null).await.0, 401);
        hub.signal("TERM");
        let log = hub.ended().await.stderr;
        for address in ["127.0.0.1", "192.0.2.7", "unknown"] {
            assert_eq!(lines(&log, &[&format!(" address={address} ")]).len(), 1, "{address} in {log}");
        }
    }
}
