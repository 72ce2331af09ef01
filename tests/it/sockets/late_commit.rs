//! Two nodes on one Postgres: a transaction that takes a number first and commits last loses no
//! client a message, and no client goes back.
//! The nodes do not receive each other's live events, so a client at the other one gets the change
//! by sync.
//! of it by sync.

use crate::harness::{Group, Held, Kind, Model, Pause, Socket, TestHub, User, kinds, run};
use serde_json::{Value, json};

/// A device and its state.
struct Device {
    user: User,
    socket: Socket,
    model: Model,
}

impl Device {
    /// Attaches first and then syncs.
    async fn connect(user: &User) -> Self {
        let mut device = Self { user: user.clone(), socket: user.connect().await, model: Model::default() };
        device.sync().await;
        device
    }

    async fn sync(&mut self) {
        let mut request = self.model.ask();
        request["type"] = json!("sync");
        let answer = self.socket.ack(request).await;
        assert!(self.model.answer(&answer), "one answer is enough: {answer}");
    }

    /// Applies the frames that came, and syncs where they show that something is missing.
    async fn read(&mut self) -> bool {
        for frame in self.socket.all_arrived().await {
            self.model.frame(&frame);
        }
        let had_to_ask = self.model.wants_sync();
        while self.model.wants_sync() {
            self.sync().await;
        }
        had_to_ask
    }

    fn contents(&self, id: i64) -> Vec<&str> {
        self.model.shown(id).values().map(|row| row["content"].as_str().unwrap()).collect()
    }
}

/// The sync answer, with retries while the hub is unavailable, as a client does.
async fn ask_surely(from: &mut Socket, frame: Value) -> Value {
    loop {
        let answer = from.call(frame.clone()).await;
        if answer["code"] != "unavailable" {
            return answer;
        }
    }
}

/// The state of one conversation as a reader gets it: the history, and the position that sync leads
/// to.
async fn found(reader: &User, id: i64) -> (Vec<String>, Value) {
    let answer = reader.post("/api/sync", json!({"conversations": {id.to_string(): 0}, "only": true})).await.ok();
    (reader.contents(id).await, answer["conversations"][0]["rev"].clone())
}

#[test]
fn a_message_committed_after_later_ones_is_not_missed() {
    run(Kind::Postgres, &[], async |here: &mut TestHub| {
        let [ann, bob, cat] = here.users(["ann", "bob", "cat"]).await;
        let id = ann.gets_to_know(&bob).await;
        let other_id = cat.gets_to_know(&bob).await;
        let there = here.second_node();
        let (bob_there, cat_there) = (bob.at_node(&there), cat.at_node(&there));
        let mut devices = [Device::connect(&bob).await, Device::connect(&bob_there).await, Device::connect(&ann).await];
        let (mut ann_phone, mut cat_phone) = (ann.connect().await, cat.connect().await);

        // The next transaction may time out on a very busy machine.
        let _excused = here.excuse_errors("canceling statement due to lock timeout");
        let mut pause = Pause::after(&here.database, "INSERT ON messages", "NEW.content = 'late'");
        let late = json!({"type": "private_message", "conversation_id": id, "content": "late", "ref": "late"});
        ann_phone.frame(late).await;
        pause.wait_for(1).await;
        // One message queues behind it in its node. Another goes to another conversation in the
        // other node.
        let behind = json!({"type": "private_message", "recipient_id": bob.id, "content": "behind", "ref": "behind"});
        cat_phone.frame(behind).await;
        cat_there.send_rest(&bob_there, "meanwhile").await;
        assert_eq!(devices[1].socket.expect("private_message").await["message"]["content"], "meanwhile");
        for reader in [&ann, &bob, &bob_there] {
            assert_eq!(found(reader, id).await, (vec!["hello".into(), "hello".into()], json!(3)), "as it was before");
        }
        let mut synced_meanwhile = Device::connect(&bob_there).await;
        assert_eq!(synced_meanwhile.contents(other_id), ["hello", "hello", "meanwhile"]);

        // In the same conversation the next write must wait; reads do not wait.
        let mut bob_phone = bob_there.connect().await;
        let after = json!({"type": "private_message", "conversation_id": id, "content": "after",
            "client_message_id": "after"});
        let (after, ()) = tokio::join!(ask_surely(&mut bob_phone, after), async {
            pause.wait_for(2).await;
            assert_eq!(found(&bob_there, id).await.1, 3);
            pause.release();
        });
        let after = &after["message"];
        assert_eq!((&after["seq"], &after["rev"]), (&json!(4), &json!(5)), "the number after the late one's");
        assert_eq!(ann_phone.expect("ack").await["message"]["seq"], 3);
        cat_phone.expect("ack").await;

        assert!(devices[1].read().await, "Bob's second node sent only rev 5, so the gap is visible");
        let [first, second, third] = &mut devices;
        for device in [first, second, third, &mut synced_meanwhile] {
            device.read().await;
            device.sync().await;
            let whose = format!("{} at {}", device.user.name, device.user.address());
            assert_eq!(device.contents(id), ["hello", "hello", "late", "after"], "{whose}");
            assert_eq!(device.model.conversations[&id].rev, 5, "{whose}");
            if device.user.id == bob.id {
                assert_eq!(device.contents(other_id), ["hello", "hello", "meanwhile", "behind"], "{whose}");
            }
        }
    });
}

/// One node moves bob far and is held up before its COMMIT, while another moves him less far, each
/// with the blocks of its time.
async fn move_at_two_nodes(here: &TestHub, there: &TestHub, people: [&User; 2], blocks: [bool; 2]) {
    let [ann, bob] = people;
    let mut id = 0;
    for number in 1..=4 {
        id = ann.send_rest(bob, &number.to_string()).await["conversation_id"].as_i64().unwrap();
    }
    let bob_there = bob.at_node(there);
    let (mut phone, mut phone_there) = (bob.connect().await, bob_there.connect().await);
    if blocks[0] {
        bob.blocks(ann).await;
    }
    let mut pause = Pause::after(&here.database, "UPDATE ON participants", "NEW.own_read_seq = 4");
    // The next transaction may time out on a very busy machine.
    let _excused = here.excuse_errors("canceling statement due to lock timeout");
    let read = |seq: i64| json!({"type": "message_read", "conversation_id": id, "seq": seq, "ref": "read"});
    phone.frame(read(4)).await;
    pause.wait_for(1).await;
    if blocks[1] && !blocks[0] {
        // The block is written directly, because a hub would make it wait for the transactions
        // under way.
        here.database.execute(&format!(
            "INSERT INTO blocks (user_id, blocked_id, created_at, me) VALUES ({}, {}, 0, 1)",
            bob.id, ann.id
        ));
    }
    let (answer, ()) = tokio::join!(ask_surely(&mut phone_there, read(2)), async {
        pause.wait_for(2).await;
        pause.release();
    });
    assert_eq!(answer["type"], "ack", "{answer}");
    phone.expect("ack").await;
    let seen = bob.conversation(id).await;
    assert_eq!(seen["unread_count"], 0, "with blocks {blocks:?}: {seen}");
    let is_bob = |row: &&Value| row["user_id"] == bob.id;
    let row = seen["participants"].as_array().unwrap().iter().find(is_bob).unwrap();
    assert_eq!(row["read_seq"], if blocks[0] { 0 } else { 4 }, "with blocks {blocks:?}: {seen}");
}

#[test]
fn a_position_moved_by_two_nodes_ends_at_the_further_one() {
    run(Kind::Postgres, &[], async |here: &mut TestHub| {
        let there = here.second_node();
        let people = here.users(["ann", "bob", "cat", "dan", "eve", "fay"]).await;
        for (at, blocks) in [[true, true], [false, true], [false, false]].into_iter().enumerate() {
            move_at_two_nodes(here, &there, [&people[2 * at], &people[2 * at + 1]], blocks).await;
        }
    });
}

#[test]
fn a_removal_at_one_node_takes_effect_at_another() {
    run(Kind::Postgres, &[], async |here: &mut TestHub| {
        let [ann, bob, cat] = here.users(["ann", "bob", "cat"]).await;
        let there = here.second_node();
        let (bob_there, cat_there) = (bob.at_node(&there), cat.at_node(&there));
        // The next transaction may time out on a very busy machine.
        let _excused = here.excuse_errors("canceling statement due to lock timeout");
        for speaker in [&cat_there, &bob_there] {
            let group = Group::of(&ann, &[&bob, &cat]).await;
            let (mut from, mut to_bob, mut to_cat) =
                (speaker.connect().await, bob_there.connect().await, cat_there.connect().await);
            let mut pause = Pause::after(&here.database, "UPDATE ON participants", "NEW.role IS NULL");
            let (removed, answer) = tokio::join!(group.remove(&ann, &cat), async {
                pause.wait_for(1).await;
                let frame = json!({"type": "private_message", "conversation_id": group.id, "content": "too late?"});
                let (answer, ()) = tokio::join!(ask_surely(&mut from, frame), async {
                    pause.wait_for(2).await;
                    pause.release();
                });
                answer
            });
            removed.is(204);
            let is_cat = speaker.id == cat.id;
            assert_eq!(answer["type"], if is_cat { "error" } else { "ack" }, "{answer}");
            assert_eq!(kinds(&to_bob.arrived().await), if is_cat { vec![] } else { vec!["private_message"] });
            to_cat.expect_silence().await;
            assert_eq!(ann.contents(group.id).await.len(), usize::from(!is_cat));
        }
    });
}

#[test]
fn writes_waiting_for_a_conversation_obey_a_new_block() {
    run(Kind::Postgres, &[], async |hub: &mut TestHub| {
        let [ann, bob] = hub.users(["ann", "bob"]).await;
        let id = ann.gets_to_know(&bob).await;
        let message = ann.send_rest(&bob, "before").await["id"].clone();
        // The next transaction may time out on a very busy machine.
        let _excused = hub.excuse_errors("canceling statement due to lock timeout");
        let mut phone = ann.connect().await;
        for frame in [
            json!({"type": "private_message", "recipient_id": bob.id, "content": "too late"}),
            json!({"type": "private_message", "conversation_id": id, "content": "too late"}),
            json!({"type": "edit_message", "message_id": message, "content": "too late"}),
            json!({"type": "react", "message_id": message, "emoji": "👍", "on": true}),
        ] {
            let mut held = Held::conversation(&hub.database, id);
            let (answer, ()) = tokio::join!(ask_surely(&mut phone, frame.clone()), async {
                held.wait_for_one().await;
                held.commit(&format!(
                    "INSERT INTO blocks (user_id, blocked_id, created_at, me) VALUES ({}, {}, 0, 1)",
                    bob.id, ann.id
                ));
            });
            assert_eq!(answer["code"], "forbidden", "{frame}: {answer}");
            hub.database.execute("DELETE FROM blocks");
        }
        assert_eq!(ann.contents(id).await, ["hello", "hello", "before"]);
    });
}

#[test]
fn a_block_waits_for_a_message_in_commit_at_another_node() {
    run(Kind::Postgres, &[], async |here: &mut TestHub| {
        let there = here.second_node();
        let [ann, bob, cat] = here.users(["ann", "bob", "cat"]).await;
        ann.gets_to_know(&bob).await;
        // The next transaction may time out on a very busy machine.
        let _excused = here.excuse_errors("canceling statement due to lock timeout");
        // One conversation is there already, the message creates the other.
        for peer in [&bob, &cat] {
            let mut phone = ann.connect().await;
            let peer_there = peer.at_node(&there);
            let mut pause = Pause::after(&here.database, "INSERT ON messages", "NEW.content = 'in time'");
            phone
                .frame(json!({"type": "private_message", "recipient_id": peer.id, "content": "in time",
                "ref": "sent"}))
                .await;
            pause.wait_for(1).await;
            let path = format!("/api/blocks/{}", ann.id);
            let (blocked, ()) = tokio::join!(peer_there.put(&path), async {
                pause.wait_for(2).await;
                pause.release();
            });
            phone.expect("ack").await;
            if blocked.status != 204 {
                peer_there.put(&path).await.is(204);
            }
            ann.post("/api/messages", json!({"recipient_id": peer.id, "content": "x"})).await.refused(403, "forbidden");
        }
    });
}
