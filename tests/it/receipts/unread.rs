//! Unread counts: which messages count, and that every device is told.

use crate::harness::{Group, Socket, TestHub, User, any_database, both_databases, draw, eventually};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

async fn unread(user: &User) -> Value {
    user.get("/api/unread").await.ok()
}

/// The update with this total, and how many came until then.
async fn update_with_total(socket: &mut Socket, total: i64) -> (Value, u128) {
    let mut count = 0;
    loop {
        let update = socket.expect("unread_count_update").await;
        count += 1;
        if update["total_unread"] == total {
            return (update, count);
        }
    }
}

both_databases!(messages_of_others_count_until_they_are_read);
async fn messages_of_others_count_until_they_are_read(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    assert_eq!(unread(&bob).await, json!({"total_unread": 0, "conversations": {}, "unread_counts": {}}));
    ann.send_rest(&bob, "one").await;
    let with_ann = ann.send_rest(&bob, "two").await["conversation_id"].clone();
    let with_cat = cat.send_rest(&bob, "three").await["conversation_id"].clone();
    bob.send_rest(&ann, "mine").await;
    let expected = json!({"total_unread": 3, "unread_counts": {"chat": 3},
        "conversations": {with_ann.to_string(): 2, with_cat.to_string(): 1}});
    assert_eq!(unread(&bob).await, expected);
    assert_eq!(unread(&cat).await["total_unread"], 0, "the sender's own messages never count");
    bob.post(&format!("/api/conversations/{with_ann}/read"), json!({"seq": 1})).await.is(204);
    assert_eq!(unread(&bob).await["conversations"], json!({with_ann.to_string(): 1, with_cat.to_string(): 1}));
    bob.post(&format!("/api/conversations/{with_ann}/delivered"), json!({"seq": 3})).await.is(204);
    assert_eq!(unread(&bob).await["total_unread"], 2, "a delivered message is still unread");
}

both_databases!(every_device_gets_unread_counts_on_messages_and_reads);
async fn every_device_gets_unread_counts_on_messages_and_reads(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut ann_socket = ann.connect().await;
    let (mut phone, mut laptop) = (bob.connect().await, bob.log_in_again().await.connect().await);
    let id = ann.send_rest(&bob, "hi").await["conversation_id"].as_i64().unwrap();
    for socket in [&mut phone, &mut laptop] {
        let (update, _) = update_with_total(socket, 1).await;
        assert_eq!((&update["conversation_id"], &update["unread_count"]), (&json!(id), &json!(1)));
        assert_eq!(update["unread_counts"], json!({"chat": 1}));
        assert_eq!(update["conversations"], json!({id.to_string(): 1}));
    }
    phone.ack(json!({"type": "conversation_read", "conversation_id": id})).await;
    for socket in [&mut phone, &mut laptop] {
        let (update, _) = update_with_total(socket, 0).await;
        assert_eq!((&update["conversation_id"], &update["unread_count"]), (&json!(id), &json!(0)));
        assert_eq!(update["conversations"], json!({id.to_string(): 0}));
    }
    let frames = ann_socket.all_arrived().await;
    assert!(frames.iter().all(|frame| frame["type"] != "unread_count_update"), "the sender's counts are as before");
}

both_databases!(unread_updates_merge_and_name_all_changed_conversations);
async fn unread_updates_merge_and_name_all_changed_conversations(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let mut phone = bob.connect().await;
    let (mut one, mut two) = (ann.connect().await, cat.connect().await);
    let began = Instant::now();
    for number in 0..100 {
        one.send(&bob, &number.to_string()).await;
        two.send(&bob, &number.to_string()).await;
    }
    let mut latest: BTreeMap<String, i64> = BTreeMap::new();
    let mut updates = 0;
    while latest.values().sum::<i64>() < 200 {
        let update = phone.expect("unread_count_update").await;
        updates += 1;
        for (id, count) in update["conversations"].as_object().unwrap() {
            latest.insert(id.clone(), count.as_i64().unwrap());
        }
        let (last, count) = (update["conversation_id"].to_string(), &update["unread_count"]);
        assert_eq!(update["conversations"][last], *count, "{update}");
    }
    assert_eq!(latest.into_values().collect::<Vec<_>>(), [100, 100]);
    assert!(updates <= began.elapsed().as_millis() / 250 + 1, "{updates} updates in {:?}", began.elapsed());
}

any_database!(failed_unread_counts_are_sent_once_the_database_recovers);
async fn failed_unread_counts_are_sent_once_the_database_recovers(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.gets_to_know(&bob).await;
    let (mut phone, mut bob_socket) = (ann.connect().await, bob.connect().await);
    let excused = hub.excuse_errors("count_unread failed");
    let _indexing = hub.excuse_errors("index_messages failed");
    // A column that counting and searching need, and sending does not.
    hub.database.execute("ALTER TABLE messages RENAME COLUMN deleted_at TO away");
    phone.send(&bob, "unread").await;
    eventually("counting fails", async || excused.came()).await;
    hub.database.execute("ALTER TABLE messages RENAME COLUMN away TO deleted_at");
    let (update, count) = update_with_total(&mut bob_socket, 2).await;
    assert_eq!((&update["unread_count"], count), (&json!(2), 1), "{update}");
}

both_databases!(unread_counts_always_equal_a_recount_of_the_history);
async fn unread_counts_always_equal_a_recount_of_the_history(hub: &mut TestHub) {
    let people = hub.users(["ann", "bob", "cat"]).await;
    for seed in 1..=3 {
        let mut state = seed;
        // The read position of each user in each conversation.
        let mut read: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        for user in &people {
            for conversation in user.conversations().await {
                let id = conversation["id"].as_i64().unwrap();
                user.post(&format!("/api/conversations/{id}/read"), json!({})).await.is(204);
                read.insert((user.id, id), conversation["last_seq"].as_i64().unwrap());
            }
        }
        for step in 0..40 {
            let at = draw(&mut state, 3);
            let (user, other) = (&people[at], &people[(at + 1 + draw(&mut state, 2)) % 3]);
            let with = user.get(&format!("/api/conversations?with={}", other.id)).await.ok();
            let known = with["conversations"].as_array().unwrap().first().cloned();
            match (draw(&mut state, 3), known) {
                (0, Some(conversation)) => {
                    let id = conversation["id"].as_i64().unwrap();
                    let seq = 1 + draw(&mut state, conversation["last_seq"].as_u64().unwrap() as usize) as i64;
                    user.post(&format!("/api/conversations/{id}/read"), json!({"seq": seq})).await.is(204);
                    let read_seq = read.entry((user.id, id)).or_default();
                    *read_seq = seq.max(*read_seq);
                }
                _ => {
                    user.send_rest(other, "hi").await;
                }
            }
            recount(&people, &read, &format!("seed {seed}, step {step}")).await;
        }
    }
}

async fn recount(people: &[User], read: &BTreeMap<(i64, i64), i64>, when: &str) {
    for user in people {
        let mut expected = serde_json::Map::new();
        for conversation in user.conversations().await {
            let id = conversation["id"].as_i64().unwrap();
            let read_seq = read.get(&(user.id, id)).copied().unwrap_or(0);
            let page = user.history(id, "?limit=200").await;
            assert_eq!(page["has_more"], false);
            let is_unread =
                |message: &&Value| message["seq"].as_i64() > Some(read_seq) && message["sender_id"] != user.id;
            let count = page["messages"].as_array().unwrap().iter().filter(is_unread).count();
            assert_eq!(conversation["unread_count"], count, "{when}: {}", user.name);
            if count > 0 {
                expected.insert(id.to_string(), json!(count));
            }
        }
        let counts = unread(user).await;
        let total: i64 = expected.values().filter_map(Value::as_i64).sum();
        assert_eq!(
            (&counts["conversations"], &counts["total_unread"]),
            (&Value::Object(expected), &json!(total)),
            "{when}"
        );
    }
}

/// The counts of a user as a connected client has them from its updates.
struct Device<'a> {
    user: &'a User,
    socket: Socket,
    total: i64,
    conversations: BTreeMap<String, i64>,
}

impl<'a> Device<'a> {
    async fn connect(user: &'a User) -> Self {
        Self { user, socket: user.connect().await, total: 0, conversations: BTreeMap::new() }
    }

    /// Applies the updates that came, and compares the counts with a recount of the rows.
    async fn equals_a_recount(&mut self) -> bool {
        for update in self.socket.all_arrived().await {
            if update["type"] == "unread_count_update" {
                self.total = update["total_unread"].as_i64().unwrap();
                for (id, count) in update["conversations"].as_object().unwrap() {
                    self.conversations.insert(id.clone(), count.as_i64().unwrap());
                }
            }
        }
        let counted: BTreeMap<_, _> = self.conversations.iter().filter(|(_, count)| **count > 0).collect();
        let rows = unread(self.user).await;
        json!(counted) == rows["conversations"] && self.total == rows["total_unread"]
    }
}

both_databases!(kept_counts_equal_a_recount_after_every_step);
async fn kept_counts_equal_a_recount_after_every_step(hub: &mut TestHub) {
    let people = hub.users(["ann", "bob", "cat"]).await;
    let [ann, bob, cat] = &people;
    let group = Group::of(ann, &[bob, cat]).await;
    ann.gets_to_know(bob).await;
    cat.gets_to_know(bob).await;
    let mut devices = Vec::new();
    for user in &people {
        user.post(&format!("/api/conversations/{}/read", group.id), json!({})).await;
        devices.push(Device::connect(user).await);
        for conversation in user.conversations().await {
            user.post(&format!("/api/conversations/{}/read", conversation["id"]), json!({})).await.is(204);
        }
    }
    let mut state = 7;
    for step in 0..60 {
        let at = draw(&mut state, 3);
        let user = &people[at];
        let conversations = user.conversations().await;
        let conversation = &conversations[draw(&mut state, conversations.len())];
        let (id, last) = (conversation["id"].as_i64().unwrap(), conversation["last_seq"].as_u64().unwrap());
        let message = user.history(id, "?limit=200").await["messages"].as_array().unwrap().clone();
        let any = (!message.is_empty()).then(|| message[draw(&mut state, message.len())].clone());
        let action = draw(&mut state, 10);
        match (action, any) {
            (0, Some(message)) => {
                let seq = message["seq"].clone();
                user.post(&format!("/api/conversations/{id}/read"), json!({"seq": seq})).await.is(204);
            }
            (1, _) if last > 0 => drop(user.post(&format!("/api/conversations/{id}/read"), json!({})).await.is(204)),
            (2, Some(message)) => drop(user.delete(&format!("/api/messages/{}?for=me", message["id"])).await.is(204)),
            (3, Some(message)) => {
                let author = people.iter().find(|user| message["sender_id"] == user.id).unwrap();
                author.delete(&format!("/api/messages/{}?for=everyone", message["id"])).await;
            }
            (4, _) if step % 2 == 0 => drop(user.delete(&format!("/api/conversations/{id}")).await.is(204)),
            (5, _) => {
                // Leaves, misses messages, and comes back.
                let other = if at == 0 { bob } else { user };
                group.remove(ann, other).await.is(204);
                group.says(ann, "in between").await;
                group.add(ann, other).await;
            }
            _ => drop(user.post("/api/messages", json!({"conversation_id": id, "content": "hi"})).await.is(201)),
        }
        for device in &mut devices {
            let name = device.user.name.clone();
            eventually(&format!("step {step} ({action} by {}): the counts of {name}", user.name), async || {
                device.equals_a_recount().await
            })
            .await;
        }
    }
}

both_databases!(unread_counts_stop_at_a_thousand_and_are_marked_capped);
async fn unread_counts_stop_at_a_thousand_and_are_marked_capped(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let id = ann.send_rest(&bob, "the first").await["conversation_id"].as_i64().unwrap();
    cat.send_rest(&bob, "from somebody else").await;
    hub.database.execute(&format!(
        "WITH RECURSIVE number (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < 999)
         INSERT INTO messages (conversation_id, seq, rev, sender_id, content, created_at)
         SELECT {id}, n, n + 1, {}, 'one of many', 0 FROM number;
         UPDATE conversations SET last_seq = 999, rev = 1000 WHERE id = {id}",
        ann.id
    ));
    let counts = unread(&bob).await;
    assert_eq!((&counts["conversations"][id.to_string()], &counts["total_unread"]), (&json!(999), &json!(1_000)));
    assert_eq!(counts["is_capped"], Value::Null, "the count is complete");

    let mut phone = bob.connect().await;
    for number in 1_000..=1_001 {
        ann.send_rest(&bob, &format!("number {number}")).await;
        let (update, _) = update_with_total(&mut phone, 1_001).await;
        assert_eq!((&update["unread_count"], &update["is_capped"]), (&json!(1_000), &json!(true)));
        assert_eq!(update["unread_counts"], json!({"chat": 1_001}));
        let counts = unread(&bob).await;
        assert_eq!((&counts["conversations"][id.to_string()], &counts["is_capped"]), (&json!(1_000), &json!(true)));
        let conversation = &bob.get(&format!("/api/conversations/{id}")).await.ok()["conversation"];
        assert_eq!((&conversation["unread_count"], &conversation["is_capped"]), (&json!(1_000), &json!(true)));
    }

    bob.post(&format!("/api/conversations/{id}/read"), json!({"seq": 2})).await.is(204);
    let (update, _) = update_with_total(&mut phone, 1_000).await;
    assert_eq!(
        (&update["unread_count"], &update["is_capped"]),
        (&json!(999), &Value::Null),
        "the count is complete again"
    );
}
