//! Checks every frame against the description of the socket: each frame that the hub sends or
//! accepts must match `docs/asyncapi.json`.

use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use switchboard::http::describe::{Bounds, asyncapi};

/// Schemas by the names of the messages: `client.ping`, `ack.search`, `server.pong`.
static MESSAGES: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    // Tests set other limits, which the hub enforces itself.
    let document = asyncapi(&Bounds { is_https: false, max_message_chars: 100_000, max_participants: 100_000 });
    let messages: &Map<String, Value> = document["components"]["messages"].as_object().unwrap();
    let validator = |name: &String| {
        let mut schema = json!({
            "$ref": format!("#/components/messages/{name}/payload"),
            "components": document["components"],
        });
        // A client may send unknown keys; the hub's frames have only described keys.
        if !name.starts_with("client.") {
            schema["unevaluatedProperties"] = json!(false);
        }
        jsonschema::draft202012::new(&schema).unwrap()
    };
    messages.keys().map(|name| (name.clone(), validator(name))).collect()
});

#[track_caller]
fn check(side: &str, kind: &Value, frame: &Value) {
    let name = format!("{side}.{}", kind.as_str().unwrap_or_default());
    let Some(validator) = MESSAGES.get(&name) else { panic!("{name} is not described: {frame}") };
    let faults: Vec<_> =
        validator.iter_errors(frame).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{name} is described otherwise: {faults:#?}\n{frame}");
}

/// Checks a server frame. Only the sender of a request knows what an answer is for.
#[track_caller]
pub fn check_server_frame(frame: &Value) {
    if frame["type"] != "ack" {
        check("server", &frame["type"], frame);
    }
}

/// Checks a frame that was acknowledged, and the `ack`.
#[track_caller]
pub fn check_acked(asked: &Value, ack: &Value) {
    check("client", &asked["type"], asked);
    check("ack", &asked["type"], ack);
}
