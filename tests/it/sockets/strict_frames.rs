//! Frames must match their description exactly: whole numbers within their bounds, keys of the
//! right type, and limited nesting.

use crate::harness::{Socket, TestHub, any_database};
use serde_json::{Map, Value, json};
use switchboard::http::describe::{Bounds, asyncapi};
use switchboard::ops::frames::FRAMES;

/// The largest whole number that every client can hold, 2^53 - 1.
const MAX: i64 = 9_007_199_254_740_991;

struct Described {
    kind: &'static str,
    keys: Map<String, Value>,
    required: Vec<String>,
}

/// The schema that a reference names, without the null that means "absent".
fn resolved<'a>(mut schema: &'a Value, schemas: &'a Value) -> Value {
    loop {
        let first = schema["anyOf"].get(0).unwrap_or(schema);
        match first["$ref"].as_str() {
            Some(name) => schema = &schemas[name.rsplit('/').next().unwrap()],
            None => return first.clone(),
        }
    }
}

fn described() -> Vec<Described> {
    let document = asyncapi(&Bounds { is_https: false, max_message_chars: 1000, max_participants: 1000 });
    let schemas = &document["components"]["schemas"];
    let resolved = |schema: &Value| resolved(schema, schemas);
    let mut all = Vec::new();
    for entry in FRAMES {
        let message = &document["components"]["messages"][format!("client.{}", entry.kind)]["payload"];
        let body = resolved(&message["allOf"][0]);
        let keys = body["properties"].as_object().unwrap().iter();
        let required = body["required"].as_array().into_iter().flatten();
        all.push(Described {
            kind: entry.kind,
            keys: keys.map(|(key, schema)| (key.clone(), resolved(schema))).collect(),
            required: required.map(|key| key.as_str().unwrap().to_owned()).collect(),
        });
    }
    all
}

impl Described {
    /// A frame whose only possible error is this key.
    fn with(&self, key: &str, value: Value) -> Value {
        let mut frame = json!({"type": self.kind});
        let usual = |key: &str| match key {
            "content" | "q" => json!("hello"),
            "emoji" => json!("👍"),
            "on" | "is_typing" => json!(true),
            "for" => json!("me"),
            _ => json!(1),
        };
        for required in &self.required {
            frame[required] = usual(required);
        }
        if self.keys.contains_key("conversation_id") && !["recipient_id", "message_id"].contains(&key) {
            frame["conversation_id"] = json!(1);
            if self.kind == "message_read" {
                frame["seq"] = json!(1);
            }
        }
        frame[key] = value;
        frame
    }
}

async fn names_the_key(phone: &mut Socket, frame: &Value, key: &str) {
    let (code, detail) = phone.refused(frame.clone()).await;
    assert_eq!(code, "invalid", "{frame}");
    assert!(detail.starts_with(key), "{frame}: {detail}");
}

any_database!(in_1_every_number_in_every_frame_has_enforced_bounds);
async fn in_1_every_number_in_every_frame_has_enforced_bounds(hub: &mut TestHub) {
    // The first user to register has the lowest number.
    let [bob, ann] = hub.users(["bob", "ann"]).await;
    ann.gets_to_know(&bob).await;
    let mut phone = ann.connect().await;
    let mut numbers = 0;
    for frame in described() {
        for (key, schema) in &frame.keys {
            let is_number = schema["type"] == "integer" || schema["type"] == json!(["integer", "null"]);
            if !is_number {
                continue;
            }
            numbers += 1;
            let bound = |name: &str| schema[name].as_i64().unwrap_or_else(|| panic!("{} {key} {name}", frame.kind));
            let (least, most) = (bound("minimum"), bound("maximum"));
            assert!(least >= -MAX && most <= MAX, "{} {key}", frame.kind);
            for bad in [json!(least - 1), json!(most + 1), json!(-MAX - 1), json!(MAX + 1), json!(u64::MAX), json!(1.5)]
            {
                names_the_key(&mut phone, &frame.with(key, bad), key).await;
            }
            for good in [least, most] {
                let asked = frame.with(key, json!(good));
                let answer = phone.call(asked.clone()).await;
                // The range is `from 1 to 200`; whether a user has that number does not matter
                // here.
                let is_out_of_bounds = answer["message"].as_str().is_some_and(|detail| detail.contains(" from "));
                assert!(!is_out_of_bounds, "{asked}: {answer}");
            }
        }
    }
    assert!(numbers > 20, "{numbers} keys are numbers");
    for (position, is_good) in [(0, true), (MAX, true), (-1, false), (MAX + 1, false)] {
        for (frame, key) in [
            (json!({"type": "sync", "conversations": {"1": position}}), "conversations"),
            (json!({"type": "sync", "me": position}), "me"),
        ] {
            match is_good {
                true => drop(phone.ack(frame).await),
                false => names_the_key(&mut phone, &frame, key).await,
            }
        }
    }
}

any_database!(in_1_a_key_of_the_wrong_type_is_named_in_the_refusal);
async fn in_1_a_key_of_the_wrong_type_is_named_in_the_refusal(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut phone = ann.connect().await;
    for frame in described() {
        for (key, schema) in &frame.keys {
            let types = match &schema["type"] {
                Value::Array(types) => types.clone(),
                one => vec![one.clone()],
            };
            for (kind, value) in [
                ("string", json!("canary")),
                ("boolean", json!(true)),
                ("object", json!({"canary": "canary"})),
                ("array", json!([1, "canary"])),
                ("integer", json!(7)),
            ] {
                if !types.contains(&json!(kind)) {
                    names_the_key(&mut phone, &frame.with(key, value), key).await;
                }
            }
        }
        for key in &frame.required {
            let mut without = frame.with(key, Value::Null);
            without.as_object_mut().unwrap().remove(key);
            if key != "conversation_id" {
                names_the_key(&mut phone, &without, key).await;
            }
        }
    }
    phone.answers().await;
}

any_database!(in_1_a_frame_or_body_nests_at_most_16_levels);
async fn in_1_a_frame_or_body_nests_at_most_16_levels(hub: &mut TestHub) {
    const TOO_DEEP: &str = "the body must not be nested more than 16 levels deep";
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut phone = ann.connect().await;
    // The body itself is one level.
    let nested = |[open, close]: [&str; 2], depth: usize| {
        let (opened, closed) = (open.repeat(depth - 1), close.repeat(depth - 1));
        format!(r#"{{"type":"private_message","recipient_id":{},"content":"[[{{","more":{opened}1{closed}}}"#, bob.id)
    };
    for brackets in [["[", "]"], [r#"{"a":"#, "}"], [r#"[{"[\"":"#, "}]"]] {
        let steps = if brackets[0].len() > 5 { 2 } else { 1 };
        let body = |depth: usize| nested(brackets, (depth - 1) / steps + 1);
        ann.post_text("/api/messages", "application/json", body(15)).await.is(201);
        phone.text(&body(15)).await;
        phone.expect("private_message").await;
        phone.expect("private_message").await;
        for depth in [17, 100, 127] {
            let detail = ann.post_text("/api/messages", "application/json", body(depth)).await.refused(400, "invalid");
            assert_eq!(detail, TOO_DEEP, "{}", body(depth));
            phone.text(&body(depth)).await;
            assert_eq!(phone.expect("error").await["message"], TOO_DEEP);
        }
    }
    for depth in [16, 17] {
        let reply = ann.post_text("/api/messages", "application/json", nested(["[", "]"], depth)).await;
        assert_eq!(reply.status == 201, depth == 16, "{depth}: {reply:?}");
        phone.text(&nested(["[", "]"], depth)).await;
        phone.expect(if depth == 16 { "private_message" } else { "error" }).await;
    }
    phone.answers().await;
}
