//! `sync` answers `complete` only when no visible message is left out, even if many of the changed
//! messages are hidden or cleared.

use super::catching_up::catch_up;
use crate::harness::{Model, Socket, TestHub, User, both_databases};
use serde_json::{Value, json};

/// Every message in the history of one person, oldest first.
async fn whole_history(user: &User, id: i64) -> Vec<Value> {
    let mut messages: Vec<Value> = Vec::new();
    loop {
        let after = messages.last().map_or(0, |message| message["seq"].as_i64().unwrap());
        let page = user.history(id, &format!("?limit=200&after_seq={after}")).await;
        messages.extend(page["messages"].as_array().unwrap().iter().cloned());
        if page["has_more"] == false {
            return messages;
        }
    }
}

/// Checks that a client shows the same as history, from its oldest message on.
async fn assert_no_gap(user: &User, model: &Model, id: i64) {
    let brief = |message: &Value| (message["seq"].as_i64().unwrap(), message["content"].clone());
    let shown: Vec<(i64, Value)> = model.shown(id).into_values().map(brief).collect();
    let (first, _) = *shown.first().expect("something shows");
    let history: Vec<(i64, Value)> = whole_history(user, id).await.iter().map(brief).collect();
    let expected: Vec<&(i64, Value)> = history.iter().filter(|(seq, _)| *seq >= first).collect();
    assert_eq!(shown.iter().collect::<Vec<_>>(), expected, "from {first}");
}

async fn write(socket: &mut Socket, to: &User, count: usize) -> Vec<Value> {
    let mut sent = Vec::new();
    for number in 0..count {
        sent.push(socket.send(to, &format!("number {number}")).await);
    }
    sent
}

both_databases!(hidden_messages_cause_no_gap_in_sync);
async fn hidden_messages_cause_no_gap_in_sync(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut from_bob = bob.connect().await;
    let first = write(&mut from_bob, &ann, 5).await;
    let id = first[0]["conversation_id"].as_i64().unwrap();
    let mut model = Model::default();
    catch_up(&ann, &mut model).await;
    let missed = write(&mut from_bob, &ann, 600).await;
    // A connected device that does not read would be cut off.
    let mut other_device = ann.connect().await;
    for message in &missed[400..] {
        other_device.ack(json!({"type": "delete_message", "message_id": message["id"], "for": "me"})).await;
    }
    catch_up(&ann, &mut model).await;
    assert_no_gap(&ann, &model, id).await;
}

both_databases!(a_change_is_synced_after_many_changes_to_cleared_ones);
async fn a_change_is_synced_after_many_changes_to_cleared_ones(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut from_bob = bob.connect().await;
    let cleared = write(&mut from_bob, &ann, 505).await;
    let id = cleared[0]["conversation_id"].as_i64().unwrap();
    ann.delete(&format!("/api/conversations/{id}")).await.is(204);
    let mut model = Model::default();
    let visible = write(&mut from_bob, &ann, 1).await;
    catch_up(&ann, &mut model).await;
    // There are so many that the one before them is not among the newest that are loaded.
    for _ in 0..2 {
        write(&mut from_bob, &ann, 253).await;
        catch_up(&ann, &mut model).await;
    }
    assert_eq!(model.shown(id).len(), 507, "the client holds all of them");
    for message in cleared.iter().chain(&visible) {
        let edit = json!({"type": "edit_message", "message_id": message["id"], "content": "changed"});
        from_bob.ack(edit).await;
    }
    catch_up(&ann, &mut model).await;
    assert_no_gap(&ann, &model, id).await;
}

both_databases!(a_reset_conversation_has_no_gap_after_an_older_change);
async fn a_reset_conversation_has_no_gap_after_an_older_change(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut from_bob, mut other_device) = (bob.connect().await, ann.connect().await);
    let sent = write(&mut from_bob, &ann, 520).await;
    let id = sent[0]["conversation_id"].as_i64().unwrap();
    // The newest 501 are loaded, and fewer of them are visible than a reset may return.
    for message in &sent[25..] {
        other_device.ack(json!({"type": "delete_message", "message_id": message["id"], "for": "me"})).await;
    }
    from_bob.ack(json!({"type": "edit_message", "message_id": sent[2]["id"], "content": "changed"})).await;
    let mut model = Model::default();
    let request = json!({"conversations": {id.to_string(): 1}});
    model.ask();
    let answer = ann.post("/api/sync", request).await.ok();
    assert_eq!(answer["conversations"][0]["reset"], true, "{answer}");
    model.answer(&answer);
    assert_no_gap(&ann, &model, id).await;
}
