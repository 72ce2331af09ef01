//! Pages and calls for browsers and operators that need no account.

use crate::harness::{TestHub, any_database, both_databases};
use serde_json::json;

any_database!(the_page_is_served_with_a_strict_policy_and_a_tag);
async fn the_page_is_served_with_a_strict_policy_and_a_tag(hub: &mut TestHub) {
    let visitor = hub.visitor();
    for (path, content_type) in [("/", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css")] {
        let reply = visitor.get(path).await.is(200);
        assert!(reply.header("content-type").unwrap().starts_with(content_type), "{reply:?}");
        assert!(!reply.body.is_empty());
        let policy = reply.header("content-security-policy").unwrap();
        for rule in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert_eq!(reply.header("cache-control"), Some("no-cache"));
        let tag = reply.header("etag").unwrap();
        for known in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let unchanged = visitor.with("if-none-match", &known).get(path).await.is(304);
            assert_eq!((unchanged.body.as_str(), unchanged.header("etag")), ("", Some(tag)), "{known}");
        }
        visitor.with("if-none-match", "\"other\"").get(path).await.is(200);
        let head = visitor.call("HEAD", path).await.is(200);
        assert_eq!((head.body.as_str(), head.header("etag")), ("", Some(tag)));
        visitor.post(path, json!({})).await.refused(405, "invalid");
    }
    let page = visitor.get("/").await.body;
    assert!(
        !page.contains("<script>") && !page.contains("style=") && !page.contains(" onclick"),
        "the page has no inline code: {page}"
    );
}

any_database!(unknown_paths_answer_not_found);
async fn unknown_paths_answer_not_found(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for path in [
        "/api.test.js",
        "/state.test.js",
        "/index",
        "/favicon.png",
        "/Cargo.toml",
        "/..%2fCargo.toml",
        "/%2e%2e/Cargo.toml",
        "//app.js/",
        "/app.js/",
        "/api",
        "/api/nothing",
        "/metrics",
        "/stats",
    ] {
        for who in [&hub.visitor(), &*ann] {
            who.get(path).await.refused(404, "not_found");
        }
    }
    let raw = format!("GET /../Cargo.toml HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", hub.port());
    let answer = ann.raw(&raw).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    for (method, path) in
        [("PATCH", "/api/messages"), ("PATCH", "/api/auth/me"), ("PUT", "/health"), ("POST", "/ready")]
    {
        ann.call(method, path).await.refused(405, "invalid");
    }
}

both_databases!(health_reports_connections_and_users);
async fn health_reports_connections_and_users(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let _sockets = (ann.connect().await, ann.connect().await, bob.connect().await);
    let health = hub.visitor().get("/health").await.is(200).ok();
    let expected = json!({
        "status": "ok", "timestamp": health["timestamp"], "version": env!("CARGO_PKG_VERSION"),
        "services": {"database": "connected", "redis": "disabled",
                     "websocket": {"status": "active", "connections": 3, "authenticated_users": 2}},
        "jobs": health["jobs"],
    });
    assert_eq!(health, expected);
    let jobs = health["jobs"].as_object().unwrap();
    assert!(jobs.len() > 9 && jobs.contains_key("index_messages"), "{jobs:?}");
    assert!(jobs.values().all(|job| job["status"] == "ok" && job["failures"] == 0), "{jobs:?}");
    assert_eq!(health["timestamp"].as_str().unwrap().len(), 24);
    hub.visitor().get("/ready").await.is(200);
}

any_database!(a_proxied_health_request_gets_only_the_status, PUBLIC_URL = "https://chat.example.org");
async fn a_proxied_health_request_gets_only_the_status(hub: &mut TestHub) {
    let visitor = hub.visitor();
    assert!(visitor.get("/health").await.ok()["version"].is_string(), "a local program gets all details");
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-host", "x-forwarded-proto"] {
        let passed_on = visitor.with(header, "127.0.0.1").get("/health").await.is(200);
        assert_eq!(passed_on.body, r#"{"status":"ok"}"#, "{header}");
    }
}

any_database!(probes_are_answered_under_any_host, PUBLIC_URL = "https://chat.example.org");
async fn probes_are_answered_under_any_host(hub: &mut TestHub) {
    for host in ["10.244.0.17:8080", "switchboard.chat.svc", "localhost", "[fd00::7]:8080", "chat.example.org", "*"] {
        let probe = hub.visitor().with("host", host);
        for (path, status) in [("/health", "ok"), ("/ready", "ready")] {
            assert_eq!(probe.get(path).await.ok()["status"], status);
            let head = probe.call("HEAD", path).await.is(200);
            assert_eq!(head.body, "");
        }
    }
    let nameless = hub.visitor().raw("GET /health HTTP/1.0\r\n\r\n").await;
    assert_eq!(nameless.split(' ').nth(1), Some("200"), "{nameless}");
}
