//! Rules that every call in `/api/openapi.json` follows.

use super::origin_host::readers;
use super::strict_headers::assert_strict;
use crate::harness::{Client, PASSWORD, Reply, TestHub, User, any_database, both_databases, percent_encoded};
use crate::rules::descriptions::document;
use serde_json::{Value, json};

struct Call {
    method: String,
    /// A path with ids that exist.
    path: String,
    takes_body: bool,
    parameters: Vec<Value>,
}

impl Call {
    fn reads(&self) -> bool {
        self.method == "GET"
    }

    async fn by(&self, who: &Client) -> Reply {
        who.call_with(&self.method, &self.path, json!({})).await
    }
}

/// A path of the description, the user who calls it, and their first message.
fn filled(path: &str) -> String {
    let fill = |part: &str| match part {
        "{emoji}" => percent_encoded("👍"),
        part if part.starts_with('{') => "1".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(fill).collect::<Vec<_>>().join("/")
}

async fn calls(hub: &TestHub) -> Vec<Call> {
    let document = document(hub).await;
    let mut calls = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            calls.push(Call {
                method: method.to_uppercase(),
                path: filled(path),
                takes_body: operation.get("requestBody").is_some(),
                parameters: operation["parameters"].as_array().unwrap().clone(),
            });
        }
    }
    assert!(calls.len() > 50, "{} calls", calls.len());
    calls
}

/// An administrator with one conversation.
async fn somebody(hub: &TestHub) -> User {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.gets_to_know(&bob).await;
    hub.promote(&ann).await
}

both_databases!(or_3_a_page_of_another_site_changes_nothing_by_any_call);
async fn or_3_a_page_of_another_site_changes_nothing_by_any_call(hub: &mut TestHub) {
    let ann = somebody(hub).await;
    let before = hub.database.rows();
    let places = [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
    ];
    for call in calls(hub).await.iter().filter(|call| !call.reads()) {
        for (name, value) in places {
            for who in [ann.with(name, value), hub.visitor().with(name, value)] {
                call.by(&who).await.refused(403, "bad_origin");
            }
        }
    }
    for (call, name) in [("register", "eve"), ("login", "ann")] {
        let form = json!({"username": name, "password": PASSWORD});
        for (header, value) in places {
            let page = hub.visitor().with(header, value);
            page.post(&format!("/api/auth/{call}"), form.clone()).await.refused(403, "bad_origin");
        }
    }
    assert_eq!(hub.database.rows(), before);
}

both_databases!(or_3_every_call_refuses_a_body_that_is_not_json);
async fn or_3_every_call_refuses_a_body_that_is_not_json(hub: &mut TestHub) {
    let ann = somebody(hub).await;
    let before = hub.database.rows();
    let calls = calls(hub).await;
    let with_body: Vec<_> = calls.iter().filter(|call| call.takes_body).collect();
    assert!(with_body.len() > 15, "{}", with_body.len());
    for call in with_body {
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
            let body = json!({"username": "ann", "password": PASSWORD, "content": "x", "recipient_id": 2}).to_string();
            let reply = ann.text(call.method.parse().unwrap(), &call.path, content_type, body).await;
            reply.refused(415, "invalid");
        }
    }
    assert_eq!(hub.database.rows(), before);
}

both_databases!(or_3_get_head_and_options_change_nothing);
async fn or_3_get_head_and_options_change_nothing(hub: &mut TestHub) {
    const KEYS: &str = "?username=ann&password=correct%20horse%20battery&recipient_id=2&content=x&for=everyone&seq=1\
        &is_typing=true&participant_ids=2&_method=DELETE";
    let ann = somebody(hub).await;
    let before = hub.database.rows();
    let sly = ann.with("x-http-method-override", "DELETE");
    for call in calls(hub).await {
        for method in ["GET", "HEAD", "OPTIONS"] {
            for query in ["", KEYS] {
                let reply = sly.call(method, &format!("{}{query}", call.path)).await;
                assert!(reply.status < 500, "{method} {}: {reply:?}", call.path);
            }
        }
    }
    ann.get("/api/auth/me").await.is(200);
    assert_eq!(hub.database.rows(), before);
}

both_databases!(head_answers_like_get_without_the_body);
async fn head_answers_like_get_without_the_body(hub: &mut TestHub) {
    let ann = somebody(hub).await;
    for call in calls(hub).await.iter().filter(|call| call.reads()) {
        let needs_words = call.parameters.iter().any(|parameter| parameter["name"] == "q");
        let path = format!("{}{}", call.path, if needs_words { "?q=a" } else { "" });
        for who in [&*ann, &hub.visitor()] {
            let (got, head) = (who.get(&path).await, who.call("HEAD", &path).await);
            assert_eq!((head.status, head.body.as_str()), (got.status, ""), "{path}");
            assert_eq!(head.header("content-type"), got.header("content-type"), "{path}");
            if !["/health", "/api/auth/me"].contains(&&*path) {
                assert_eq!(head.header("content-length"), got.header("content-length"), "{path}");
            }
        }
        let allowed = ann.call("TRACE", &path).await.is(405);
        assert!(allowed.header("allow").unwrap().split(", ").any(|method| method == "HEAD"), "{allowed:?}");
    }
}

const ORIGINS: [&str; 10] = [
    "null",
    "https://evil.example",
    "http://app.example.org",
    "https://app.example.org:8443",
    "https://app.example.org.",
    "https://app.example.org.evil.example",
    "https://evil-app.example.org",
    "https://APP.example.org",
    "https://example.org",
    "https://user@app.example.org",
];

/// No answer to any call allows scripts of this origin to read it.
async fn nobody_reads(hub: &TestHub, origins: &[&str]) {
    let ann = somebody(hub).await;
    for call in calls(hub).await {
        for origin in origins {
            let page = ann.with("origin", origin);
            let question = page.with("access-control-request-method", "POST");
            for reply in [call.by(&page).await, question.call("OPTIONS", &call.path).await] {
                assert_eq!(readers(&reply), [], "{} {} from {origin}: {reply:?}", call.method, call.path);
            }
        }
    }
}

any_database!(or_4_no_cors_header_is_sent_without_allowed_origins, PUBLIC_URL = "https://chat.example.org");
async fn or_4_no_cors_header_is_sent_without_allowed_origins(hub: &mut TestHub) {
    nobody_reads(hub, &[&ORIGINS[..], &["https://app.example.org", "https://chat.example.org"]].concat()).await;
}

any_database!(
    or_4_cors_headers_name_only_the_allowed_origin,
    PUBLIC_URL = "https://chat.example.org",
    ALLOWED_ORIGINS = "https://app.example.org"
);
async fn or_4_cors_headers_name_only_the_allowed_origin(hub: &mut TestHub) {
    nobody_reads(hub, &ORIGINS).await;
    let page = hub.visitor().with("origin", "https://app.example.org");
    for call in calls(hub).await {
        let reply = call.by(&page).await;
        assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example.org"), "{reply:?}");
    }
}

any_database!(or_4_every_call_refuses_another_host, PUBLIC_URL = "https://chat.example.org");
async fn or_4_every_call_refuses_another_host(hub: &mut TestHub) {
    let ann = somebody(hub).await;
    for call in calls(hub).await {
        for host in ["evil.example", "chat.example.org.evil.example", "127.0.0.1", "chat.example.org:8443", "*"] {
            let reply = call.by(&ann.with("host", host)).await;
            match &*call.path {
                "/health" | "/ready" => reply.is(200),
                _ => {
                    reply.refused(421, "bad_host");
                    continue;
                }
            };
        }
    }
}

any_database!(or_5_every_call_answers_with_the_strict_headers, PUBLIC_URL = "https://chat.example.org");
async fn or_5_every_call_answers_with_the_strict_headers(hub: &mut TestHub) {
    let ann = somebody(hub).await;
    let mut done = 0;
    for call in calls(hub).await {
        // Some calls end a login.
        let ann = ann.log_in_again().await;
        for who in [&*ann, &hub.visitor(), &ann.with("origin", "https://evil.example")] {
            let reply = call.by(who).await;
            assert_strict(&reply);
            done += usize::from(reply.status < 300);
        }
    }
    assert!(done > 20, "{done}");
}

/// A value that is no position in a list.
const NO_PLACES: [&str; 7] = ["nonsense", "-1", "1.5", "9007199254740992", "%00", "1%20OR%201%3D1", "1e1"];

both_databases!(in_5_every_page_size_is_bounded_and_every_cursor_checked);
async fn in_5_every_page_size_is_bounded_and_every_cursor_checked(hub: &mut TestHub) {
    let ann = somebody(hub).await;
    let (mut limits, mut places) = (0, 0);
    for call in calls(hub).await.iter().filter(|call| call.reads()) {
        let parameters = call.parameters.iter().filter(|parameter| parameter["in"] == "query");
        let needs_words = call.parameters.iter().any(|parameter| parameter["name"] == "q");
        let base = format!("{}?{}", call.path, if needs_words { "q=a&" } else { "" });
        let refused = async |key: &str, value: &str| {
            let detail = ann.get(&format!("{base}{key}={value}")).await.refused(400, "invalid");
            assert!(detail.starts_with(key), "{base}{key}={value}: {detail}");
        };
        for parameter in parameters {
            let key = parameter["name"].as_str().unwrap();
            match key {
                "q" => {}
                "limit" => {
                    let most = parameter["schema"]["maximum"].as_i64().unwrap();
                    assert!((1..=200).contains(&most), "{base}: {most}");
                    ann.get(&format!("{base}limit={most}")).await.is(200);
                    for bad in [&*(most + 1).to_string(), "0", ""].iter().chain(&NO_PLACES) {
                        refused(key, bad).await;
                    }
                    limits += 1;
                }
                _ => {
                    for bad in NO_PLACES {
                        refused(key, bad).await;
                    }
                    places += 1;
                }
            }
        }
    }
    assert!(limits >= 6 && places >= 7, "{limits} lists, {places} places");
}
