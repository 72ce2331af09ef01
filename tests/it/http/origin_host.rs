//! Requests that a page of another site cannot make in its visitor's name, and the one host that
//! the hub accepts.

use crate::harness::{Client, PASSWORD, Reply, Socket, TestHub, User, any_database};
use serde_json::json;

const HOSTILE: &[&str] = &[
    "null",
    "https://evil.example",
    "http://chat.example.org",
    "https://chat.example.org:443",
    "https://chat.example.org:8443",
    "https://chat.example.org..",
    "http://chat.example.org.",
    "https://chat.example.org/",
    "https://chat.example.org.evil.example",
    "https://evil-chat.example.org",
    "https://sub.chat.example.org",
    "https://CHAT.example.org",
    "HTTPS://chat.example.org",
    "https://user@chat.example.org",
    "https://chat.example.org@evil.example",
    "https://chat.example.org,https://evil.example",
    "https://ch\u{e4}t.example.org",
    "//chat.example.org",
    "chat.example.org",
    "http://127.0.0.1",
    "http://localhost",
    "file://",
    "*",
];

/// Every state-changing request, and the handshake, get the same result.
async fn refused_everywhere(client: &Client) -> String {
    let form = json!({"username": "eve", "password": PASSWORD});
    let detail = client.post("/api/auth/register", form.clone()).await.refused(403, "bad_origin");
    for (path, body) in [
        ("/api/auth/login", form),
        ("/api/auth/logout", json!({})),
        ("/api/auth/token", json!({})),
        ("/api/messages", json!({"recipient_id": 1, "content": "x"})),
        ("/api/conversations/1/messages", json!({"content": "x"})),
        ("/api/conversations/1/typing", json!({"is_typing": true})),
        ("/no/such/place", json!({})),
    ] {
        assert_eq!(client.post(path, body).await.refused(403, "bad_origin"), detail, "{path}");
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        assert_eq!(client.call(method, "/api/blocks/1").await.refused(403, "bad_origin"), detail);
    }
    assert_eq!(client.handshake().await.refused(403, "bad_origin"), detail);
    detail
}

any_database!(or_1_another_site_changes_nothing_and_opens_no_socket, PUBLIC_URL = "https://chat.example.org");
async fn or_1_another_site_changes_nothing_and_opens_no_socket(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for origin in HOSTILE {
        let detail = refused_everywhere(&ann.with("origin", origin)).await;
        let visible: String = origin.chars().filter(char::is_ascii).collect();
        assert!(detail.contains(&visible) || !origin.is_ascii(), "{origin:?} is named: {detail}");
    }
    assert_eq!((hub.database.count("users"), hub.database.count("logins")), (1, 1));
    ann.get("/api/auth/me").await.is(200);
}

any_database!(an_encoded_path_does_not_bypass_the_origin_check, PUBLIC_URL = "https://chat.example.org");
async fn an_encoded_path_does_not_bypass_the_origin_check(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for path in ["/ws", "/%77s", "/w%73", "/%77%73", "//ws", "/./ws", "https://chat.example.org/%77s"] {
        let cookie = ann.cookie();
        let answer = ann
            .raw_head(&format!(
                "GET {path} HTTP/1.1\r\nHost: chat.example.org\r\nOrigin: http://evil.example\r\nCookie: {cookie}\r\n\
                 Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ))
            .await;
        let status = answer.split(' ').nth(1).unwrap();
        assert!(["403", "404"].contains(&status), "{path}: {answer}");
    }
}

any_database!(an_invalid_bearer_token_does_not_bypass_the_origin_check, PUBLIC_URL = "https://chat.example.org");
async fn an_invalid_bearer_token_does_not_bypass_the_origin_check(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let page = ann.with("origin", "https://evil.example").with("authorization", "Bearer junk");
    for call in ["/api/auth/register", "/api/auth/login"] {
        page.post(call, json!({"username": "ann", "password": PASSWORD})).await.refused(403, "bad_origin");
    }
}

any_database!(
    the_own_and_the_allowed_origins_pass,
    PUBLIC_URL = "https://chat.example.org",
    ALLOWED_ORIGINS = "https://app.example.org:8443"
);
async fn the_own_and_the_allowed_origins_pass(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    for origin in ["https://chat.example.org", "https://chat.example.org.", "https://app.example.org:8443"] {
        let page = ann.with("origin", origin);
        page.post("/api/messages", json!({"recipient_id": bob.id, "content": "x"})).await.is(201);
        let mut socket = Socket::open(&ann.at(origin)).await;
        socket.welcome().await;
    }
    for origin in ["https://app.example.org", "https://app.example.org.:8443"] {
        let detail = refused_everywhere(&ann.with("origin", origin)).await;
        assert!(detail.contains("ALLOWED_ORIGINS") && detail.contains("PUBLIC_URL"), "{detail}");
    }
}

any_database!(loopback_names_are_the_origin_without_a_public_url);
async fn loopback_names_are_the_origin_without_a_public_url(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for name in ["127.0.0.1", "localhost", "[::1]"] {
        let here = format!("{name}:{}", hub.port());
        let page = ann.with("host", &here).with("origin", &format!("http://{here}"));
        page.post("/api/auth/token", json!({})).await.is(200);
    }
    let next_door = format!("http://127.0.0.1:{}", hub.port().wrapping_add(1));
    refused_everywhere(&ann.with("origin", &next_door)).await;
}

any_database!(or_1_without_an_origin_the_fetch_metadata_decides);
async fn or_1_without_an_origin_the_fetch_metadata_decides(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    ann.with("sec-fetch-site", "same-origin").post("/api/auth/token", json!({})).await.is(200);
    ann.post("/api/auth/token", json!({})).await.is(200);
    for site in ["cross-site", "same-site", "none", ""] {
        refused_everywhere(&ann.with("sec-fetch-site", site)).await;
    }
    let own = format!("http://127.0.0.1:{}", hub.port());
    let lying = ann.with("sec-fetch-site", "same-origin").with("origin", "https://evil.example");
    refused_everywhere(&lying).await;
    ann.with("sec-fetch-site", "cross-site").with("origin", &own).post("/api/auth/token", json!({})).await.is(200);
}

any_database!(a_bearer_token_is_accepted_from_any_origin);
async fn a_bearer_token_is_accepted_from_any_origin(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let app: User = ann.by_token().await.at("https://evil.example");
    app.send_rest(&bob, "x").await;
    app.connect().await.answers().await;
    // An invalid bearer header does not make the cookie count.
    let lying = ann.with("origin", "https://evil.example").with("authorization", "Bearer x");
    lying.post("/api/messages", json!({"recipient_id": bob.id, "content": "x"})).await.refused(401, "unauthenticated");
    lying.handshake().await.refused(401, "unauthenticated");
}

any_database!(or_1_two_origins_in_one_request_are_refused);
async fn or_1_two_origins_in_one_request_are_refused(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let own = format!("http://127.0.0.1:{}", hub.port());
    let handshake = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (target, more) in
        [("POST /api/auth/logout", "Content-Length: 0\r\nConnection: close\r\n"), ("GET /ws", handshake)]
    {
        for second in [&*own, "https://evil.example"] {
            let request = format!(
                "{target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nCookie: {}\r\nOrigin: {own}\r\nOrigin: {second}\r\n{more}\r\n",
                hub.port(),
                ann.cookie()
            );
            let answer = ann.raw(&request).await;
            assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("bad_origin"), "{answer}");
        }
    }
    ann.get("/api/auth/me").await.is(200);
}

any_database!(or_4_requests_for_another_host_answer_421, PUBLIC_URL = "https://chat.example.org");
async fn or_4_requests_for_another_host_answer_421(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for host in ["CHAT.example.org", "chat.example.org:443", "chat.example.org.", "Chat.Example.Org.:443"] {
        ann.with("host", host).get("/api/auth/me").await.is(200);
        ann.with("host", host).handshake().await.is(101);
    }
    for host in [
        "evil.example",
        "127.0.0.1",
        "localhost",
        "chat.example.org:80",
        "chat.example.org:8443",
        "chat.example.org:",
        "chat.example.org:0443x",
        "chat.example.org..",
        "chat.example.org.evil.example",
        "evil-chat.example.org",
        "chat.example.org,evil.example",
        "user@chat.example.org",
        "chat.example.org@evil.example",
        "chat.example.org/",
        "[::1]",
        "0.0.0.0",
        "*",
    ] {
        let rebound = ann.with("host", host);
        for path in ["/", "/app.js", "/api/auth/me", "/no/such/place"] {
            let detail = rebound.get(path).await.refused(421, "bad_host");
            assert!(detail.contains(&format!("unknown host {host}; set PUBLIC_URL")), "{detail}");
        }
        rebound.post("/api/auth/logout", json!({})).await.refused(421, "bad_host");
        rebound.handshake().await.refused(421, "bad_host");
    }
    for (target, hosts, status) in [
        ("/app.js", "Host: chat.example.org\r\nHost: evil.example\r\n", "421"),
        ("/app.js", "Host: chat.example.org\r\nHost: chat.example.org\r\n", "421"),
        ("/app.js", "", "421"),
        ("http://evil.example/app.js", "Host: chat.example.org\r\n", "421"),
        ("http://chat.example.org/app.js", "Host: chat.example.org\r\n", "200"),
        ("http://Chat.example.org.:443/app.js", "Host: evil.example\r\n", "200"),
        // The call of a health probe, written differently.
        ("/%68ealth", "Host: evil.example\r\n", "421"),
        ("//health", "Host: evil.example\r\n", "421"),
    ] {
        let answer = ann.raw(&format!("GET {target} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")).await;
        let is_refused = status == "421" && answer.starts_with("HTTP/1.1 400 ");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) || is_refused, "{target} {hosts:?}: {answer}");
    }
    ann.get("/api/auth/me").await.is(200);
}

any_database!(a_refused_host_is_repeated_without_unsafe_characters);
async fn a_refused_host_is_repeated_without_unsafe_characters(hub: &mut TestHub) {
    for host in
        ["<script>alert(1)</script>.example", "a\"b'c`d&e\\f.example", "b\u{fc}cher.example", &*"x".repeat(2000)]
    {
        let detail = hub.visitor().with("host", host).get("/").await.refused(421, "bad_host");
        assert!(
            detail.is_ascii() && detail.len() < 200 && !detail.contains(['<', '>', '"', '\'', '&', '`', '\\']),
            "{detail}"
        );
    }
}

any_database!(a_bearer_token_works_under_any_host, PUBLIC_URL = "https://chat.example.org");
async fn a_bearer_token_works_under_any_host(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let by_token = ann.by_token().await;
    for host in ["switchboard:8080", "10.0.0.7", "[::1]:8080"] {
        let back_end = by_token.with_header("host", host);
        back_end.send_rest(&bob, "x").await;
        back_end.connect().await.answers().await;
        // Only a valid token authenticates, and the cookie beside it is ignored.
        for lying in [ann.with("host", host), by_token.with("host", host)] {
            let lying = lying.with("authorization", "Bearer x");
            lying.get("/api/auth/me").await.refused(401, "unauthenticated");
            lying
                .post("/api/messages", json!({"recipient_id": bob.id, "content": "x"}))
                .await
                .refused(401, "unauthenticated");
            lying.handshake().await.refused(401, "unauthenticated");
            lying.post("/api/auth/token", json!({})).await.refused(401, "unauthenticated");
            let page = lying.with("origin", &format!("http://{host}"));
            let form = json!({"username": "ann", "password": PASSWORD});
            page.post("/api/auth/login", form.clone()).await.refused(403, "bad_origin");
            page.post("/api/auth/register", form).await.refused(403, "bad_origin");
        }
        ann.with("host", host).get("/api/auth/me").await.refused(421, "bad_host");
    }
}

/// The headers that tell a browser which other origins may read an answer.
pub fn readers(reply: &Reply) -> Vec<(String, String)> {
    let allowed = reply.headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control"));
    let mut allowed: Vec<_> =
        allowed.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    allowed.sort();
    allowed
}

/// Answers of every kind, and the preflight request that a browser sends first.
async fn answers(client: &Client) -> Vec<Reply> {
    let mut replies = vec![client.handshake().await];
    for path in ["/", "/health", "/api/auth/me", "/api/conversations", "/api/conversations/9", "/no/such/place"] {
        replies.push(client.get(path).await);
        replies.push(client.call("OPTIONS", path).await);
        let question = client.with("access-control-request-method", "POST");
        let question = question.with("access-control-request-headers", "content-type,authorization,x-evil");
        replies.push(question.call("OPTIONS", path).await);
    }
    for path in ["/api/messages", "/api/auth/login", "/api/auth/logout"] {
        replies.push(client.post(path, json!({})).await);
    }
    replies
}

any_database!(or_4_a_script_of_another_origin_reads_no_answer, PUBLIC_URL = "https://chat.example.org");
async fn or_4_a_script_of_another_origin_reads_no_answer(hub: &mut TestHub) {
    let visitor = hub.visitor();
    for origin in HOSTILE.iter().chain(&["https://chat.example.org", "https://app.example.org"]) {
        for reply in answers(&visitor.with("origin", origin)).await {
            assert_eq!((readers(&reply), reply.header("vary")), (vec![], None), "{origin}: {reply:?}");
        }
    }
}

any_database!(
    or_4_only_scripts_of_an_allowed_origin_read_answers,
    PUBLIC_URL = "https://chat.example.org",
    ALLOWED_ORIGINS = "https://app.example.org:8443,https://other.example.org"
);
async fn or_4_only_scripts_of_an_allowed_origin_read_answers(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let pair = |name: &str, value: &str| (format!("access-control-{name}"), value.to_owned());
    for origin in ["https://app.example.org:8443", "https://other.example.org"] {
        let may_read =
            [pair("allow-credentials", "true"), pair("allow-origin", origin), pair("expose-headers", "Retry-After")];
        let page = ann.with("origin", origin);
        let message = json!({"recipient_id": bob.id, "content": "x"});
        for reply in [
            page.get("/api/auth/me").await.is(200),
            page.post("/api/messages", message).await.is(201),
            page.get("/api/conversations/999").await.is(404),
            page.post("/api/messages", json!({})).await.is(400),
            hub.visitor().with("origin", origin).get("/api/auth/me").await.is(401),
            page.call("OPTIONS", "/api/messages").await.is(405),
        ] {
            assert_eq!((readers(&reply), reply.header("vary")), (may_read.to_vec(), Some("Origin")), "{reply:?}");
        }
        let question = page.with("access-control-request-method", "PATCH");
        for path in ["/api/messages", "/api/auth/login", "/api/messages/1/reactions/x"] {
            let reply = question.call("OPTIONS", path).await.is(204);
            let expected = [
                pair("allow-credentials", "true"),
                pair("allow-headers", "Authorization, Content-Type"),
                pair("allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE"),
                pair("allow-origin", origin),
                pair("expose-headers", "Retry-After"),
                pair("max-age", "600"),
            ];
            assert_eq!((readers(&reply), reply.body.as_str()), (expected.to_vec(), ""));
        }
        question.with("host", "evil.example").call("OPTIONS", "/api/messages").await.refused(421, "bad_host");
    }
    for origin in HOSTILE.iter().chain(&["https://chat.example.org", "https://app.example.org", ""]) {
        for reply in answers(&hub.visitor().with("origin", origin)).await {
            assert_eq!((readers(&reply), reply.header("vary")), (vec![], Some("Origin")), "{origin}: {reply:?}");
        }
    }
    for reply in answers(&hub.visitor()).await {
        assert_eq!(readers(&reply), []);
    }
}

any_database!(or_3_content_types_of_html_forms_are_refused);
async fn or_3_content_types_of_html_forms_are_refused(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let body = json!({"recipient_id": bob.id, "content": "x"}).to_string();
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/json",
        "text/plain; charset=application/json",
        "",
    ] {
        ann.post_text("/api/messages", content_type, body.clone()).await.refused(415, "invalid");
        let form = json!({"username": "eve", "password": PASSWORD}).to_string();
        ann.post_text("/api/auth/login", content_type, form).await.refused(415, "invalid");
    }
    assert_eq!(hub.stored(), [0, 0, 0]);
    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        ann.post_text("/api/messages", content_type, body.clone()).await.is(201);
    }
}
