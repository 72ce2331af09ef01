//! Two doors, one house: what is done over REST and what is done by frames
//! leaves the same rows, tells the others the same and is refused the same.

use crate::harness::{Socket, TestHub, User, both_databases};
use serde_json::{Value, json};

/// One person's way in.
enum Door {
    Rest(User),
    Socket(Box<Socket>),
}

impl Door {
    /// The answer, without what is the door's own: either what succeeded, or
    /// code and words of the refusal.
    async fn send(&mut self, body: Value) -> Value {
        match self {
            Door::Rest(user) => result(user.post("/api/messages", body).await),
            Door::Socket(socket) => answer(socket, "private_message", body).await,
        }
    }

    async fn typing(&mut self, conversation_id: &Value, is_typing: &Value) -> Value {
        match self {
            Door::Rest(user) => {
                let path = format!("/api/conversations/{conversation_id}/typing");
                result(user.post(&path, json!({"is_typing": is_typing})).await)
            }
            Door::Socket(socket) => {
                let body = json!({"conversation_id": conversation_id, "is_typing": is_typing});
                answer(socket, "typing_indicator", body).await
            }
        }
    }
}

fn result(reply: crate::harness::Reply) -> Value {
    match reply.status {
        204 => json!({}),
        200 | 201 => reply.json(),
        _ => json!({"code": reply.json()["code"], "text": reply.json()["detail"]}),
    }
}

async fn answer(socket: &mut Socket, kind: &str, mut body: Value) -> Value {
    body["type"] = json!(kind);
    let mut answer = socket.call(body).await;
    if answer["type"] == "error" {
        return json!({"code": answer["code"], "text": answer["message"]});
    }
    for key in ["type", "ref", "timestamp"] {
        answer.as_object_mut().unwrap().remove(key);
    }
    answer
}

/// The value with ids, names and times replaced by what they stand for, so
/// that two runs with different people can be compared.
fn plain(value: &Value, people: [&User; 2]) -> Value {
    let [sender, reader] = people;
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| {
                let told = match (key.as_str(), value) {
                    (_, Value::Null) => Value::Null,
                    ("user_id" | "sender_id" | "recipient_id" | "receiver_id", id) if *id == sender.id => {
                        json!("SENDER")
                    }
                    ("user_id" | "sender_id" | "recipient_id" | "receiver_id", id) if *id == reader.id => {
                        json!("READER")
                    }
                    ("username" | "display_name", name) if *name == *sender.name => json!("SENDER"),
                    ("username" | "display_name", name) if *name == *reader.name => json!("READER"),
                    ("timestamp" | "created_at" | "id" | "conversation_id", _) => json!("VARIES"),
                    (_, value) => plain(value, people),
                };
                (key.clone(), told)
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| plain(item, people)).collect(),
        other => other.clone(),
    }
}

/// Everything that can be told from outside about one pair of people, of whom
/// the first used this door.
async fn story(mut door: Door, people: [&User; 2], stranger: i64) -> Vec<(String, Value)> {
    let [sender, reader] = people;
    let (mut listening, mut own) = (reader.connect().await, sender.connect().await);
    let mut told = Vec::new();
    let to_reader = |content: &str| json!({"recipient_id": reader.id, "content": content});
    let keyed = json!({"recipient_id": reader.id, "content": "keyed", "client_message_id": "key"});
    let first = door.send(to_reader("first")).await;
    let id = first["message"]["conversation_id"].clone();
    told.push(("first", first));
    told.push(("keyed", door.send(keyed.clone()).await));
    told.push(("retry", door.send(keyed).await));
    let conflict = json!({"recipient_id": reader.id, "content": "other", "client_message_id": "key"});
    told.push(("conflict", door.send(conflict).await));
    told.push(("by id", door.send(json!({"conversation_id": id, "content": "by id"})).await));
    for is_typing in [json!(true), json!(false), json!("maybe")] {
        told.push(("typing", door.typing(&id, &is_typing).await));
    }
    for (what, body) in [
        ("blank", to_reader(" ")),
        ("too large", to_reader(&"x".repeat(1001))),
        ("no target", json!({"content": "x"})),
        ("two targets", json!({"content": "x", "recipient_id": reader.id, "conversation_id": id})),
        ("oneself", json!({"content": "x", "recipient_id": sender.id})),
        ("nobody", json!({"content": "x", "recipient_id": 999_999})),
        ("a reply", json!({"content": "x", "recipient_id": reader.id, "reply_to_id": 1})),
        ("no conversation", json!({"content": "x", "conversation_id": 999_999})),
        ("not mine", json!({"content": "x", "conversation_id": stranger})),
    ] {
        told.push((what, door.send(body).await));
    }
    told.push(("not mine", door.typing(&json!(stranger), &json!(true)).await));
    reader.blocks(sender).await;
    told.push(("blocked", door.send(to_reader("x")).await));
    told.push(("blocked", door.typing(&id, &json!(true)).await));
    reader.unblocks(sender).await;
    told.extend(listening.arrived().await.into_iter().map(|frame| ("the reader heard", frame)));
    told.extend(own.arrived().await.into_iter().map(|frame| ("the sender's other device heard", frame)));
    let id = id.as_i64().unwrap();
    told.push(("history", reader.history(id, "").await));
    told.push(("conversation", reader.conversation(id).await));
    told.into_iter().map(|(what, value)| (what.to_owned(), plain(&value, people))).collect()
}

both_databases!(rest_and_the_socket_tell_the_same_story, TYPING_TIMEOUT = "1m");
async fn rest_and_the_socket_tell_the_same_story(hub: &mut TestHub) {
    let [ann, bob, cat, dan, eve, fay] = hub.users(["ann", "bob", "cat", "dan", "eve", "fay"]).await;
    let stranger = eve.gets_to_know(&fay).await;
    let by_rest = story(Door::Rest(ann.clone()), [&ann, &bob], stranger).await;
    let socket = Door::Socket(Box::new(cat.connect().await));
    let by_socket = story(socket, [&cat, &dan], stranger).await;
    assert_eq!(by_rest.len(), by_socket.len(), "{by_rest:#?}\n{by_socket:#?}");
    for (rest, socket) in by_rest.iter().zip(&by_socket) {
        assert_eq!(rest, socket);
    }
    let refused = by_rest.iter().filter(|(_, told)| told.get("code").is_some());
    assert_eq!(refused.count(), 14, "the refusals of the story are refusals: {by_rest:#?}");
}
