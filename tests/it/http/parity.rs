//! REST and frames are equivalent: the same action stores the same rows, tells the others the same
//! and gets the same refusals.

use crate::harness::{TestHub, Transport, User, both_databases};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use switchboard::ops::frames::FRAMES;

/// Replaces ids, names and times in the value by placeholders, so that two runs with different
/// users can be compared.
fn plain(value: &Value, people: [&User; 2]) -> Value {
    let [sender, reader] = people;
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| {
                let replaced = match (key.as_str(), value) {
                    (_, Value::Null) => Value::Null,
                    ("user_id" | "sender_id" | "recipient_id" | "receiver_id", id) if *id == sender.id => {
                        json!("SENDER")
                    }
                    ("user_id" | "sender_id" | "recipient_id" | "receiver_id", id) if *id == reader.id => {
                        json!("READER")
                    }
                    ("user_ids", Value::Array(ids)) => {
                        ids.iter().map(|id| plain(&json!({"user_id": id}), people)["user_id"].clone()).collect()
                    }
                    ("username" | "display_name", name) if *name == *sender.name => json!("SENDER"),
                    ("username" | "display_name", name) if *name == *reader.name => json!("READER"),
                    (
                        "timestamp" | "created_at" | "edited_at" | "deleted_at" | "delivered_at" | "read_at" | "id"
                        | "message_id" | "reply_to_id" | "conversation_id" | "left" | "hidden",
                        _,
                    ) => json!("VARIES"),
                    (_, value) => plain(value, people),
                };
                (key.clone(), replaced)
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| plain(item, people)).collect(),
        other => other.clone(),
    }
}

/// The transcript of a run: requests, received frames and answers.
struct Story {
    transport: Transport,
    asked: BTreeSet<String>,
    entries: Vec<(String, Value)>,
}

impl Story {
    async fn ask(&mut self, kind: &str, body: Value) -> Value {
        let answer = self.transport.ask(kind, body.clone()).await;
        self.asked.insert(kind.to_owned());
        self.entries.push((kind.to_owned(), answer.clone()));
        answer
    }

    fn note(&mut self, what: &str, value: Value) {
        self.entries.push((what.to_owned(), value));
    }
}

/// Sends messages and typing, some of them refused.
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
    look(story, id, stranger).await;
    reader.blocks(sender).await;
    story.ask("private_message", to_reader("x")).await;
    story.ask("typing_indicator", json!({"conversation_id": id, "is_typing": true})).await;
    look(story, id, stranger).await;
    reader.unblocks(sender).await;
    id
}

async fn look(story: &mut Story, id: i64, stranger: i64) {
    for conversation_id in [id, stranger] {
        for kind in ["join_conversation", "join_conversation", "leave_conversation", "leave_conversation"] {
            story.ask(kind, json!({"conversation_id": conversation_id})).await;
        }
    }
}

/// Replies, edits, reactions and deletions, some of them refused.
async fn change(story: &mut Story, [sender, reader]: [&User; 2], id: i64, foreign: i64) {
    let question = reader.send_rest(sender, "asked").await;
    let said = |content: &str, reply_to: i64| json!({"conversation_id": id, "content": content, "client_message_id": content, "reply_to_id": reply_to});
    let theirs = question["id"].as_i64().unwrap();
    let sent = story.ask("private_message", said("answered", theirs)).await;
    let mine = sent["message"]["id"].as_i64().unwrap();
    story.ask("private_message", said("answered elsewhere", foreign)).await;
    for message_id in [mine, theirs, foreign, 999_999] {
        for content in ["edited", "edited", " ", &"x".repeat(1001)] {
            story.ask("edit_message", json!({"message_id": message_id, "content": content})).await;
        }
        for (emoji, on) in [("👍", true), ("👍", true), ("❤", true), ("👍", false), ("👍", false), ("+1", true)]
        {
            story.ask("react", json!({"message_id": message_id, "emoji": emoji, "on": on})).await;
        }
    }
    story.ask("private_message", said("answered", theirs)).await;
    reader.blocks(sender).await;
    story.ask("edit_message", json!({"message_id": mine, "content": "blocked"})).await;
    story.ask("react", json!({"message_id": theirs, "emoji": "👍", "on": true})).await;
    reader.unblocks(sender).await;
    let hidden = reader.send_rest(sender, "hidden").await["id"].as_i64().unwrap();
    for (message_id, whom) in [
        (hidden, "me"),
        (hidden, "me"),
        (foreign, "me"),
        (999_999, "everyone"),
        (theirs, "everyone"),
        (mine, "them"),
        (mine, "everyone"),
        (mine, "everyone"),
    ] {
        story.ask("delete_message", json!({"message_id": message_id, "for": whom})).await;
    }
    story.ask("delete_message", json!({"message_id": mine})).await;
    story.ask("edit_message", json!({"message_id": mine, "content": "again"})).await;
    story.ask("react", json!({"message_id": mine, "emoji": "👍", "on": true})).await;
    story.ask("private_message", said("answered", theirs)).await;
    for rest in ["edited", "taken"] {
        reader.patch(&format!("/api/messages/{hidden}"), json!({"content": rest})).await.is(200);
    }
}

/// Receipts, history and sync, for the messages that the reader wrote back.
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
            // A message id identifies its conversation.
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
        json!({"conversations": {"1": -1}}),
    ] {
        story.ask("sync", body).await;
    }
}

/// Searches with and without results.
async fn search(story: &mut Story, id: i64, stranger: i64) {
    for body in [
        json!({"q": "first"}),
        json!({"q": "T", "limit": 2}),
        json!({"q": "hello"}),
        json!({"q": "one", "conversation_id": id}),
        json!({"q": "one", "conversation_id": stranger}),
        json!({"q": "one", "before": 1}),
        json!({"q": "one", "limit": 0}),
        json!({"q": ""}),
        json!({"q": "..."}),
        json!({}),
    ] {
        story.ask("search", body).await;
    }
}

/// Everything that is visible from outside about one pair of users, of whom the first used this
/// transport.
async fn story(transport: Transport, people: [&User; 2], (stranger, foreign): (i64, i64)) -> Vec<(String, Value)> {
    let [sender, reader] = people;
    let (mut listening, mut own) = (reader.connect().await, sender.connect().await);
    let mut story = Story { transport, asked: BTreeSet::new(), entries: Vec::new() };
    let id = write(&mut story, people, stranger).await;
    read(&mut story, people, id, stranger).await;
    search(&mut story, id, stranger).await;
    change(&mut story, people, id, foreign).await;
    for (who, socket) in [("frames to the reader", &mut listening), ("frames to the sender's other device", &mut own)] {
        socket.arrived().await.into_iter().for_each(|frame| story.note(who, frame));
    }
    story.note("history", reader.history(id, "").await);
    story.note("conversation", reader.conversation(id).await);
    let frames: BTreeSet<String> = FRAMES.iter().map(|entry| entry.kind.to_owned()).collect();
    assert_eq!(story.asked, frames, "the story uses every frame");
    story.entries.into_iter().map(|(what, value)| (what, plain(&value, people))).collect()
}

both_databases!(rest_and_socket_give_the_same_answers, TYPING_TIMEOUT = "1m");
async fn rest_and_socket_give_the_same_answers(hub: &mut TestHub) {
    let [ann, bob, cat, dan, eve, fay] = hub.users(["ann", "bob", "cat", "dan", "eve", "fay"]).await;
    let foreign = eve.send_rest(&fay, "hello").await;
    let stranger = (foreign["conversation_id"].as_i64().unwrap(), foreign["id"].as_i64().unwrap());
    let by_rest = story(Transport::Rest(ann.clone()), [&ann, &bob], stranger).await;
    let socket = Transport::Socket(Box::new(cat.connect().await));
    let by_socket = story(socket, [&cat, &dan], stranger).await;
    assert_eq!(by_rest.len(), by_socket.len(), "{by_rest:#?}\n{by_socket:#?}");
    for (rest, socket) in by_rest.iter().zip(&by_socket) {
        assert_eq!(rest, socket);
    }
    let refused = by_rest.iter().filter(|(_, value)| value.get("code").is_some());
    assert_eq!(refused.count(), 83, "the refusals of the story are refusals: {by_rest:#?}");
}
