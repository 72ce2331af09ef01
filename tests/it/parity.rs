//! Two doors, one house: what is done over REST and what is done by frames
//! leaves the same rows, tells the others the same and is refused the same.

use crate::harness::{Reply, Socket, TestHub, User, both_databases};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use switchboard::ops::FRAMES;

/// One person's way in.
enum Door {
    Rest(User),
    Socket(Box<Socket>),
}

impl Door {
    /// The answer, without what is the door's own: either what succeeded, or
    /// code and words of the refusal.
    async fn ask(&mut self, kind: &str, body: Value) -> Value {
        match self {
            Door::Rest(user) => result(over_rest(user, kind, body).await),
            Door::Socket(socket) => answer(socket, kind, body).await,
        }
    }
}

/// The call that asks for the same as a frame.
async fn over_rest(user: &User, kind: &str, body: Value) -> Reply {
    let at = |tail: &str| format!("/api/conversations/{}/{tail}", body["conversation_id"]);
    match kind {
        "private_message" => user.post("/api/messages", body).await,
        "sync" => user.post("/api/sync", body).await,
        "typing_indicator" => user.post(&at("typing"), json!({"is_typing": body["is_typing"]})).await,
        "message_delivered" => user.post(&at("delivered"), json!({"seq": body["seq"]})).await,
        "message_read" if body.get("message_id").is_some() => {
            user.call("POST", &format!("/api/messages/{}/read", body["message_id"])).await
        }
        "message_read" => user.post(&at("read"), json!({"seq": body["seq"]})).await,
        "conversation_read" => user.call("POST", &at("read")).await,
        "load_history" => {
            let keys = ["before_seq", "after_seq", "limit"].into_iter().filter(|key| body.get(*key).is_some());
            let query: Vec<String> = keys.map(|key| format!("{key}={}", body[key])).collect();
            user.get(&at(&format!("messages?{}", query.join("&")))).await
        }
        _ => panic!("which call does what {kind} does?"),
    }
}

fn result(reply: Reply) -> Value {
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
                    (
                        "timestamp" | "created_at" | "delivered_at" | "read_at" | "id" | "message_id"
                        | "conversation_id" | "left",
                        _,
                    ) => json!("VARIES"),
                    (_, value) => plain(value, people),
                };
                (key.clone(), told)
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| plain(item, people)).collect(),
        other => other.clone(),
    }
}

/// The story so far: what was asked for or heard, and what was told.
struct Story {
    door: Door,
    asked: BTreeSet<String>,
    told: Vec<(String, Value)>,
}

impl Story {
    async fn ask(&mut self, kind: &str, body: Value) -> Value {
        let told = self.door.ask(kind, body.clone()).await;
        self.asked.insert(kind.to_owned());
        self.told.push((kind.to_owned(), told.clone()));
        told
    }

    fn note(&mut self, what: &str, told: Value) {
        self.told.push((what.to_owned(), told));
    }
}

/// Messages and typing, sent and refused.
async fn write(story: &mut Story, [sender, reader]: [&User; 2], stranger: i64) -> i64 {
    let to_reader = |content: &str| json!({"recipient_id": reader.id, "content": content});
    let keyed = json!({"recipient_id": reader.id, "content": "keyed", "client_message_id": "key"});
    let first = story.ask("private_message", to_reader("first")).await;
    let id = first["message"]["conversation_id"].as_i64().unwrap();
    for body in [
        keyed.clone(),
        keyed,
        json!({"recipient_id": reader.id, "content": "other", "client_message_id": "key"}),
        json!({"conversation_id": id, "content": "by id"}),
        to_reader(" "),
        to_reader(&"x".repeat(1001)),
        json!({"content": "x"}),
        json!({"content": "x", "recipient_id": reader.id, "conversation_id": id}),
        json!({"content": "x", "recipient_id": sender.id}),
        json!({"content": "x", "recipient_id": 999_999}),
        json!({"content": "x", "recipient_id": reader.id, "reply_to_id": 1}),
        json!({"content": "x", "conversation_id": 999_999}),
        json!({"content": "x", "conversation_id": stranger}),
    ] {
        story.ask("private_message", body).await;
    }
    for (conversation_id, is_typing) in
        [(id, json!(true)), (id, json!(false)), (id, json!("maybe")), (stranger, json!(true))]
    {
        story.ask("typing_indicator", json!({"conversation_id": conversation_id, "is_typing": is_typing})).await;
    }
    reader.blocks(sender).await;
    story.ask("private_message", to_reader("x")).await;
    story.ask("typing_indicator", json!({"conversation_id": id, "is_typing": true})).await;
    reader.unblocks(sender).await;
    id
}

/// Receipts, history and sync, of what the reader wrote back.
async fn read(story: &mut Story, [sender, reader]: [&User; 2], id: i64, stranger: i64) {
    let mut back = Vec::new();
    for content in ["one", "two", "three"] {
        back.push(reader.send_rest(sender, content).await);
    }
    for (kind, keys) in [
        ("message_delivered", json!({"seq": 5})),
        ("message_delivered", json!({"seq": 4})),
        ("message_delivered", json!({"seq": 99})),
        ("message_read", json!({"seq": 4})),
        ("message_read", json!({"seq": 0})),
        ("message_read", json!({"message_id": back[1]["id"]})),
        ("message_read", json!({"message_id": 999_999})),
        ("conversation_read", json!({})),
        ("load_history", json!({})),
        ("load_history", json!({"limit": 2})),
        ("load_history", json!({"limit": 2, "before_seq": 4})),
        ("load_history", json!({"limit": 2, "after_seq": 0})),
        ("load_history", json!({"limit": 0})),
    ] {
        for conversation_id in [id, stranger] {
            let mut body = keys.clone();
            // A message says by itself where it is.
            if keys.get("message_id").is_none() {
                body["conversation_id"] = json!(conversation_id);
            }
            story.ask(kind, body).await;
        }
    }
    for body in [
        json!({}),
        json!({"me": 0, "conversations": {id.to_string(): 8, stranger.to_string(): 1}}),
        json!({"only": true, "conversations": {id.to_string(): 0}}),
        json!({"conversations": {id.to_string(): -1}}),
    ] {
        story.ask("sync", body).await;
    }
}

/// Everything that can be told from outside about one pair of people, of whom
/// the first used this door.
async fn story(door: Door, people: [&User; 2], stranger: i64) -> Vec<(String, Value)> {
    let [sender, reader] = people;
    let (mut listening, mut own) = (reader.connect().await, sender.connect().await);
    let mut story = Story { door, asked: BTreeSet::new(), told: Vec::new() };
    let id = write(&mut story, people, stranger).await;
    read(&mut story, people, id, stranger).await;
    for (who, socket) in [("the reader heard", &mut listening), ("the sender's other device heard", &mut own)] {
        socket.arrived().await.into_iter().for_each(|frame| story.note(who, frame));
    }
    story.note("history", reader.history(id, "").await);
    story.note("conversation", reader.conversation(id).await);
    let frames: BTreeSet<String> = FRAMES.iter().map(|entry| entry.kind.to_owned()).collect();
    assert_eq!(story.asked, frames, "the story tells of every frame");
    story.told.into_iter().map(|(what, value)| (what, plain(&value, people))).collect()
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
    assert_eq!(refused.count(), 31, "the refusals of the story are refusals: {by_rest:#?}");
}
