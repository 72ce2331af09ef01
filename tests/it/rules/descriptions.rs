//! `/api/openapi.json` describes every call and no others; `/api/asyncapi.json` describes every
//! frame, and `harness` checks frames against it.

use crate::harness::{TestHub, any_database, percent_encoded};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use switchboard::http::describe::{Bounds, asyncapi};

const METHODS: [&str; 5] = ["DELETE", "GET", "PATCH", "POST", "PUT"];

/// A path of the description with ids that do not exist.
fn filled(path: &str) -> String {
    let fill = |part: &str| match part {
        "{emoji}" => percent_encoded("👍"),
        part if part.starts_with('{') => "999999".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(fill).collect::<Vec<_>>().join("/")
}

fn described(path: &Value) -> BTreeSet<String> {
    path.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect()
}

pub async fn document(hub: &TestHub) -> Value {
    let reply = hub.visitor().get("/api/openapi.json").await.is(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.json()
}

any_database!(every_described_call_exists_with_only_its_methods);
async fn every_described_call_exists_with_only_its_methods(hub: &mut TestHub) {
    let document = document(hub).await;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let offered = described(operations);
        // A call that answers GET also answers HEAD, which is not listed.
        let mut allowed_here = offered.clone();
        allowed_here.extend(offered.contains("GET").then(|| "HEAD".to_owned()));
        for method in METHODS.into_iter().chain(["OPTIONS", "TRACE"]) {
            let reply = hub.visitor().call(method, &filled(path)).await;
            if !offered.contains(method) {
                let allowed = reply.header("allow").map(|allowed| allowed.split(", ").map(str::to_owned).collect());
                assert_eq!(allowed.as_ref(), Some(&allowed_here), "{method} {path}: {reply:?}");
                reply.refused(405, "invalid");
                continue;
            }
            let operation = &operations[method.to_lowercase()];
            assert!(operation["responses"].get(reply.status.to_string()).is_some(), "{method} {path}: {reply:?}");
            // A missing required body is reported first.
            let needs_login = !operation["security"].as_array().unwrap().is_empty();
            let needs_body = operation["requestBody"]["required"] == true;
            assert_eq!(reply.status == 401, needs_login && !needs_body, "{method} {path}: {reply:?}");
        }
    }
}

any_database!(the_description_denies_tokens_to_access_tokens);
async fn the_description_denies_tokens_to_access_tokens(hub: &mut TestHub) {
    let paths = &document(hub).await["paths"];
    assert_eq!(paths["/api/auth/token"]["post"]["security"], json!([{"cookie": []}, {}]));
    assert_eq!(paths["/api/auth/ticket"]["post"]["security"], json!([{"cookie": []}, {"bearer": []}]));
    let [ann] = hub.users(["ann"]).await;
    ann.by_token().await.post("/api/auth/token", json!({})).await.refused(401, "unauthenticated");
}

any_database!(every_call_has_a_unique_name_and_a_summary);
async fn every_call_has_a_unique_name_and_a_summary(hub: &mut TestHub) {
    let document = document(hub).await;
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let mut names = BTreeSet::new();
    for operation in operations {
        let name = operation["operationId"].as_str().unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(names.insert(name), "{name} is listed twice");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name}");
        for parameter in operation["parameters"].as_array().unwrap() {
            assert!(parameter["schema"].as_object().is_some_and(|schema| !schema.is_empty()), "{name}: {parameter}");
        }
    }
    assert!(names.contains("list_users"), "{names:?}");
}

any_database!(every_reference_in_the_description_resolves);
async fn every_reference_in_the_description_resolves(hub: &mut TestHub) {
    let document = document(hub).await;
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.contains("#/components/schemas/Problem"));
    for reference in references {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

any_database!(the_description_has_the_configured_bounds, MAX_MESSAGE_CHARS = "7", MAX_PARTICIPANTS = "9");
async fn the_description_has_the_configured_bounds(hub: &mut TestHub) {
    let document = document(hub).await;
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["Content"]["maxLength"], 7);
    assert_eq!(schemas["CreateConversation"]["properties"]["participant_ids"]["maxItems"], 8);
    assert_eq!(document["components"]["securitySchemes"]["cookie"]["name"], "switchboard");
}

any_database!(every_described_call_is_in_the_documentation);
async fn every_described_call_is_in_the_documentation(hub: &mut TestHub) {
    let protocol = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/PROTOCOL.md")).unwrap();
    let document = document(hub).await;
    let missing: Vec<_> =
        document["paths"].as_object().unwrap().keys().filter(|path| !protocol.contains(*path)).collect();
    assert!(missing.is_empty(), "docs/PROTOCOL.md lacks {missing:?}");
}

/// With `RENEW` set, it writes the file instead.
#[test]
fn the_asyncapi_file_describes_the_existing_frames() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/asyncapi.json");
    let bounds = Bounds { is_https: false, max_message_chars: 1_000, max_participants: 1_000 };
    let current = format!("{:#}\n", asyncapi(&bounds));
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let is_current = std::fs::read_to_string(path).unwrap() == current;
    assert!(is_current, "docs/asyncapi.json is stale: RENEW=1 cargo test --test it the_file_describes");
}

any_database!(the_socket_description_is_served_publicly);
async fn the_socket_description_is_served_publicly(hub: &mut TestHub) {
    let served = hub.visitor().get("/api/asyncapi.json").await.is(200).json();
    let bounds = Bounds { is_https: false, max_message_chars: 1_000, max_participants: 1_000 };
    assert_eq!(served, asyncapi(&bounds), "the bounds of the file are the defaults");
    let mut references = BTreeSet::new();
    collect(&served, &mut references);
    for reference in references {
        assert!(served.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
}
