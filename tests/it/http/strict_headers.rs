//! The security headers for browsers, on answers of every kind.

use super::origin_host::readers;
use crate::harness::{Client, PASSWORD, Reply, TestHub, User, any_database};
use serde_json::json;

/// The hub's answers in error states.
async fn at_fault(hub: &TestHub, user: &User) -> Reply {
    let fault = hub.excuse_errors("list_contacts failed");
    hub.database.execute("ALTER TABLE contacts RENAME TO elsewhere");
    let reply = user.get("/api/contacts").await;
    hub.database.execute("ALTER TABLE elsewhere RENAME TO contacts");
    assert!(fault.came());
    reply
}

/// The answer to a locked-out client.
async fn shut_out(visitor: &Client) -> Reply {
    let guess = json!({"username": "bob", "password": "a wrong guess"});
    for _ in 0..10 {
        visitor.post("/api/auth/login", guess.clone()).await.is(401);
    }
    visitor.post("/api/auth/login", guess).await
}

any_database!(or_5_every_kind_of_response_has_the_strict_headers, PUBLIC_URL = "https://chat.example.org");
async fn or_5_every_kind_of_response_has_the_strict_headers(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let visitor = hub.visitor();
    let body = json!({"recipient_id": bob.id, "content": "x"});
    let tag = visitor.get("/").await.header("etag").unwrap().to_owned();
    for (status, reply) in [
        (200, visitor.get("/").await),
        (200, visitor.get("/app.js").await),
        (200, visitor.get("/health").await),
        (200, visitor.call("HEAD", "/").await),
        (200, ann.get("/api/conversations").await),
        (201, ann.post("/api/messages", body.clone()).await),
        (204, ann.put(&format!("/api/contacts/{}", bob.id)).await),
        (304, visitor.with("if-none-match", &tag).get("/").await),
        (400, ann.post("/api/messages", json!({})).await),
        (401, visitor.get("/api/auth/me").await),
        (403, ann.with("origin", "https://evil.example").post("/api/messages", body.clone()).await),
        (404, ann.get("/api/conversations/999999").await),
        (404, visitor.get("/no/such/place").await),
        (405, ann.put("/api/messages").await),
        (409, visitor.post("/api/auth/register", json!({"username": "ann", "password": PASSWORD})).await),
        (413, ann.post_text("/api/messages", "application/json", " ".repeat(70_000)).await),
        (415, ann.post_text("/api/messages", "text/plain", body.to_string()).await),
        (421, visitor.with("host", "evil.example").get("/").await),
        (426, ann.get("/ws").await),
        (429, shut_out(&visitor).await),
        (431, visitor.with("x-padding", &"x".repeat(17 * 1024)).get("/").await),
        (500, at_fault(hub, &ann).await),
        (101, ann.handshake().await),
        (403, ann.at("https://evil.example").handshake().await),
    ] {
        assert_strict(&reply.is(status));
    }
}

/// Checks the headers of every answer of a hub at https that allows no other origin.
#[track_caller]
pub fn assert_strict(reply: &Reply) {
    let policy = reply.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{reply:?}");
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{reply:?}");
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{reply:?}");
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{reply:?}");
    assert_eq!(reply.header("cross-origin-resource-policy"), Some("same-origin"), "{reply:?}");
    assert_eq!(reply.header("cross-origin-opener-policy"), Some("same-origin"), "{reply:?}");
    assert!(reply.header("cache-control").is_some_and(|rule| rule.starts_with("no-")), "{reply:?}");
    assert_eq!(reply.header("strict-transport-security"), Some("max-age=31536000"), "{reply:?}");
    assert_eq!(readers(reply), [], "{reply:?}");
}

any_database!(or_5_plain_http_answers_have_no_hsts_header);
async fn or_5_plain_http_answers_have_no_hsts_header(hub: &mut TestHub) {
    for path in ["/", "/health", "/no/such/place"] {
        assert_eq!(hub.visitor().get(path).await.header("strict-transport-security"), None);
    }
}
