//! Catching up: whatever a client holds and however long it was offline, it ends with the hub's
//! state.

use crate::harness::{Model, Reply, Socket, TestHub, User, assert_same, both_databases, truth};
use serde_json::{Value, json};
use std::collections::BTreeMap;

async fn sync(user: &User, request: Value) -> Value {
    user.post("/api/sync", request).await.is(200).ok()
}

pub fn rows<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

fn seqs(conversation: &Value) -> Vec<i64> {
    rows(conversation, "messages").iter().map(|message| message["seq"].as_i64().unwrap()).collect()
}

/// The ids in an answer, and whether each is a full reset.
fn changed_ids(answer: &Value) -> Vec<(i64, bool)> {
    let one = |changed: &Value| (changed["id"].as_i64().unwrap(), changed["reset"].as_bool().unwrap());
    rows(answer, "conversations").iter().map(one).collect()
}

/// Writes this many messages of this text; returns the conversation.
async fn write(from: &User, to: &User, count: usize, text: &str) -> i64 {
    let mut socket = from.connect().await;
    let mut id = 0;
    for _ in 0..count {
        id = socket.send(to, text).await["conversation_id"].as_i64().unwrap();
    }
    id
}

both_databases!(a_new_client_gets_everything_and_then_nothing);
async fn a_new_client_gets_everything_and_then_nothing(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let with_bob = write(&bob, &ann, 2, "hi").await;
    let with_cat = write(&ann, &cat, 1, "hi").await;
    let (welcome, _) = Socket::open(&ann).await.welcome().await;
    let answer = sync(&ann, json!({})).await;
    assert_eq!((&answer["epoch"], &answer["complete"]), (&welcome["epoch"], &json!(true)));
    assert_eq!((&answer["me"], &answer["left"]), (&json!(0), &json!([])));
    let nothing = json!({"reset": true, "blocks": [], "contacts": [], "conversations": [], "hidden": []});
    assert_eq!(answer["mine"], nothing);
    assert_eq!(changed_ids(&answer), [(with_cat, true), (with_bob, true)], "latest activity first");
    let changed = &answer["conversations"][1];
    assert_eq!(changed["conversation"], ann.conversation(with_bob).await);
    assert_eq!(changed["messages"], ann.history(with_bob, "").await["messages"]);
    assert_eq!((&changed["rev"], &changed["participants"]), (&json!(3), &json!([])));
    let held = json!({"epoch": answer["epoch"], "me": 0,
        "conversations": {with_bob.to_string(): 3, with_cat.to_string(): 2}});
    let again = sync(&ann, held.clone()).await;
    assert_eq!((&again["conversations"], &again["complete"]), (&json!([]), &json!(true)));
    assert_eq!(again["mine"]["reset"], false);
    let mut frame = held;
    frame["type"] = json!("sync");
    let mut ack = ann.connect().await.ack(frame).await;
    for key in ["type", "ref", "timestamp"] {
        ack.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(ack, again, "the socket gives the same answer");
}

both_databases!(sync_from_a_position_returns_the_later_changes);
async fn sync_from_a_position_returns_the_later_changes(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = write(&ann, &bob, 5, "hi").await;
    bob.post(&format!("/api/conversations/{id}/read"), json!({"seq": 2})).await.is(204);
    write(&ann, &bob, 1, "after").await;
    let epoch = sync(&bob, json!({})).await["epoch"].clone();
    for (position, expected, readers) in
        [(1, vec![1, 2, 3, 4, 5, 6], 1), (4, vec![4, 5, 6], 1), (6, vec![6], 1), (7, vec![6], 0)]
    {
        let answer = sync(&bob, json!({"epoch": epoch, "conversations": {id.to_string(): position}})).await;
        assert_eq!(changed_ids(&answer), [(id, false)], "from {position}");
        let changed = &answer["conversations"][0];
        assert_eq!((seqs(changed), &changed["rev"]), (expected, &json!(8)), "from {position}");
        assert_eq!(rows(changed, "participants").len(), readers, "from {position}");
    }
    for (what, request) in [
        ("ahead", json!({"epoch": epoch, "conversations": {id.to_string(): 9}})),
        ("far ahead", json!({"epoch": epoch, "conversations": {id.to_string(): 9_007_199_254_740_991_i64}})),
        ("anew", json!({"epoch": epoch, "conversations": {id.to_string(): 0}})),
        ("another history", json!({"epoch": "another", "conversations": {id.to_string(): 8}})),
        ("another history", json!({"epoch": "", "conversations": {id.to_string(): 7}})),
    ] {
        let answer = sync(&bob, request).await;
        assert_eq!(changed_ids(&answer), [(id, true)], "{what}");
        assert_eq!(seqs(&answer["conversations"][0]), [1, 2, 3, 4, 5, 6], "{what}");
        assert_eq!(answer["conversations"][0]["rev"], 8, "{what}");
    }
}

both_databases!(a_client_over_500_changes_behind_gets_a_reset);
async fn a_client_over_500_changes_behind_gets_a_reset(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = write(&ann, &bob, 502, "hi").await;
    let from = async |rev: i64| sync(&bob, json!({"conversations": {id.to_string(): rev}})).await;
    let (all, too_many) = (from(3).await, from(2).await);
    assert_eq!(changed_ids(&all), [(id, false)]);
    assert_eq!(seqs(&all["conversations"][0]), (3..=502).collect::<Vec<_>>());
    assert_eq!(changed_ids(&too_many), [(id, true)]);
    assert_eq!(seqs(&too_many["conversations"][0]), (453..=502).collect::<Vec<_>>(), "with the newest 50");
    for answer in [all, too_many] {
        assert_eq!((&answer["complete"], &answer["conversations"][0]["rev"]), (&json!(true), &json!(503)));
    }
}

both_databases!(new_messages_are_found_behind_many_receipts);
async fn new_messages_are_found_behind_many_receipts(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = write(&ann, &bob, 30, "hi").await;
    let mut phone = bob.connect().await;
    for seq in 1..=30 {
        phone.ack(json!({"type": "message_read", "conversation_id": id, "seq": seq})).await;
    }
    write(&ann, &bob, 2, "after").await;
    for (position, expected) in [(31, vec![31, 32]), (29, vec![29, 30, 31, 32]), (61, vec![31, 32]), (62, vec![32])] {
        let answer = sync(&ann, json!({"conversations": {id.to_string(): position}})).await;
        assert_eq!(changed_ids(&answer), [(id, false)], "from {position}");
        assert_eq!(seqs(&answer["conversations"][0]), expected, "from {position}");
    }
}

both_databases!(sync_with_only_returns_just_the_named_conversations);
async fn sync_with_only_returns_just_the_named_conversations(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let with_bob = write(&ann, &bob, 1, "hi").await;
    let with_cat = write(&ann, &cat, 1, "hi").await;
    let named = json!({"conversations": {with_bob.to_string(): 1}, "only": true});
    assert_eq!(changed_ids(&sync(&ann, named).await), [(with_bob, false)]);
    let all = json!({"conversations": {with_bob.to_string(): 1}, "only": false});
    assert_eq!(changed_ids(&sync(&ann, all).await), [(with_cat, true), (with_bob, false)]);
    assert_eq!(changed_ids(&sync(&ann, json!({"only": true})).await), []);
}

both_databases!(hidden_and_missing_conversations_are_both_left);
async fn hidden_and_missing_conversations_are_both_left(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let mine = write(&ann, &bob, 1, "hi").await;
    let not_mine = write(&bob, &cat, 1, "hi").await;
    for only in [true, false] {
        for position in [0, 1, 2, 99] {
            let ask = async |id: i64| {
                let held = json!({mine.to_string(): 2, id.to_string(): position});
                sync(&ann, json!({"conversations": held, "only": only})).await
            };
            let (mut foreign, mut missing) = (ask(not_mine).await, ask(999_999).await);
            assert_eq!(foreign["left"].take(), json!([not_mine]));
            assert_eq!(missing["left"].take(), json!([999_999]));
            assert_eq!(foreign, missing);
            assert_eq!(changed_ids(&foreign), []);
        }
    }
}

both_databases!(two_thousand_positions_are_answered_and_one_more_is_refused);
async fn two_thousand_positions_are_answered_and_one_more_is_refused(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = write(&ann, &bob, 1, "hi").await;
    let held = |count: i64| (id..id + count).map(|id| (id.to_string(), 1)).collect::<BTreeMap<_, _>>();
    for only in [true, false] {
        let answer = sync(&ann, json!({"conversations": held(2_000), "only": only})).await;
        assert_eq!((changed_ids(&answer), rows(&answer, "left").len()), (vec![(id, false)], 1_999));
    }
    let detail = ann.post("/api/sync", json!({"conversations": held(2_001)})).await.refused(400, "invalid");
    assert!(detail.contains("conversations"), "{detail}");
}

both_databases!(an_invalid_sync_request_is_refused_and_its_key_named);
async fn an_invalid_sync_request_is_refused_and_its_key_named(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut phone = ann.connect().await;
    for (request, key) in [
        (json!({"me": -1}), "me"),
        (json!({"me": 1_u64 << 53}), "me"),
        (json!({"me": "1"}), "me"),
        (json!({"epoch": 1}), "epoch"),
        (json!({"only": "yes"}), "only"),
        (json!({"conversations": [1]}), "conversations"),
        (json!({"conversations": {"1": -1}}), "conversations"),
        (json!({"conversations": {"1": 1_u64 << 53}}), "conversations"),
        (json!({"conversations": {"1": 1.5}}), "conversations"),
        (json!({"conversations": {"0": 1}}), "conversations"),
        (json!({"conversations": {"-1": 1}}), "conversations"),
        (json!({"conversations": {"9007199254740992": 1}}), "conversations"),
        (json!({"conversations": {"twelve": 1}}), "conversations"),
    ] {
        let detail = ann.post("/api/sync", request.clone()).await.refused(400, "invalid");
        assert!(detail.contains(key), "{request}: {detail}");
        let mut frame = request;
        frame["type"] = json!("sync");
        assert_eq!(phone.refused(frame).await, ("invalid".to_owned(), detail));
    }
    ann.post("/api/sync", json!([])).await.refused(400, "invalid");
    hub.visitor().post("/api/sync", json!({})).await.refused(401, "unauthenticated");
    for kind in ["sync", "load_history"] {
        phone.frame(json!({"type": kind, "recipient_id": 1})).await;
        let error = phone.expect("error").await;
        assert_eq!((&error["code"], &error["message"]), (&json!("invalid"), &json!("ref is missing")));
    }
}

both_databases!(history_is_loaded_over_the_socket_by_user_or_conversation);
async fn history_is_loaded_over_the_socket_by_user_or_conversation(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = write(&ann, &bob, 5, "hi").await;
    let mut phone = bob.connect().await;
    for (keys, query) in [
        (json!({}), ""),
        (json!({"limit": 2}), "?limit=2"),
        (json!({"limit": 2, "before_seq": 4}), "?limit=2&before_seq=4"),
        (json!({"limit": 2, "after_seq": 1}), "?limit=2&after_seq=1"),
        (json!({"limit": 2, "after_seq": 0}), "?limit=2&after_seq=0"),
    ] {
        let page = bob.history(id, query).await;
        for target in [json!({"recipient_id": ann.id}), json!({"conversation_id": id})] {
            let mut frame = json!({"type": "load_history"});
            frame.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
            frame.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
            let ack = phone.ack(frame).await;
            assert_eq!((&ack["messages"], &ack["has_more"]), (&page["messages"], &page["has_more"]), "{query}");
        }
    }
    for (key, below) in [("limit", 0), ("before_seq", 0), ("after_seq", -1)] {
        let (code, message) = phone.refused(json!({"type": "load_history", "conversation_id": id, key: below})).await;
        assert!(code == "invalid" && message.contains(key), "{message}");
    }
}

/// Syncs until the answer is complete, from the state of this model. Returns every message that
/// came, by conversation and in order, and the number of requests.
pub async fn catch_up(user: &User, model: &mut Model) -> (BTreeMap<i64, Vec<i64>>, usize) {
    let mut came: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for asked in 1.. {
        let reply: Reply = user.post("/api/sync", model.ask()).await.is(200);
        assert!(reply.body.len() <= 1 << 20, "{} bytes", reply.body.len());
        let answer = reply.json();
        let messages: usize =
            rows(&answer, "conversations").iter().map(|changed| rows(changed, "messages").len()).sum();
        assert!(messages <= 500, "{messages} messages");
        for changed in rows(&answer, "conversations") {
            came.entry(changed["id"].as_i64().unwrap()).or_default().extend(seqs(changed));
        }
        if model.answer(&answer) {
            return (came, asked);
        }
        assert!(asked < 50, "it comes to an end");
    }
    unreachable!("it is asked until it is complete")
}

both_databases!(a_thousand_missed_messages_come_once_in_bounded_answers);
async fn a_thousand_missed_messages_come_once_in_bounded_answers(hub: &mut TestHub) {
    let [ann, bob, cat, dan] = hub.users(["ann", "bob", "cat", "dan"]).await;
    let mut model = Model::default();
    for from in [&bob, &cat, &dan] {
        write(from, &ann, 1, "first").await;
    }
    catch_up(&ann, &mut model).await;
    let mut expected = BTreeMap::new();
    for from in [&bob, &cat, &dan] {
        expected.insert(write(from, &ann, 400, "missed").await, (2..=401).collect::<Vec<i64>>());
    }
    let (came, asked) = catch_up(&ann, &mut model).await;
    assert_eq!((came, asked), (expected, 3));
    assert_eq!(catch_up(&ann, &mut model).await, (BTreeMap::new(), 1), "then no change is left");
}

both_databases!(an_answer_stays_below_a_mebibyte, MAX_MESSAGE_CHARS = "4000");
async fn an_answer_stays_below_a_mebibyte(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let large = "\u{1f600}".repeat(4_000);
    let mut model = Model::default();
    write(&bob, &ann, 1, "first").await;
    catch_up(&ann, &mut model).await;
    let with_bob = write(&bob, &ann, 150, &large).await;
    let (came, asked) = catch_up(&ann, &mut model).await;
    assert_eq!(came, BTreeMap::from([(with_bob, (2..=151).collect())]), "each once, in order");
    assert!(asked >= 3, "2.4 MB in {asked} answers");
    let with_cat = write(&cat, &ann, 90, &large).await;
    let (synced, _) = catch_up(&ann, &mut Model::default()).await;
    assert_eq!(synced[&with_cat], (41..=90).collect::<Vec<_>>(), "the latest active conversation has its newest 50");
    let rest = &synced[&with_bob];
    assert!(
        rest.len() < 50 && *rest == (152 - rest.len() as i64..=151).collect::<Vec<_>>(),
        "as many as fit: {rest:?}"
    );
}

both_databases!(private_changes_are_numbered_and_synced);
async fn private_changes_are_numbered_and_synced(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let id = write(&bob, &ann, 2, "hi").await;
    let mut phone = ann.connect().await;
    ann.adds_contact(&cat).await;
    ann.blocks(&bob).await;
    ann.post(&format!("/api/conversations/{id}/read"), json!({})).await.is(204);
    ann.removes_contact(&cat).await;
    let change = |user: &User, removed: bool| json!([{"user_id": user.id, "removed": removed}]);
    let own_state = json!([{"id": id, "cleared_seq": 0, "visible_from_seq": 1, "read_seq": 2}]);
    let changes = [
        ("contacts", change(&cat, false)),
        ("blocks", change(&bob, false)),
        ("conversations", own_state.clone()),
        ("contacts", change(&cat, true)),
    ];
    for (me, (key, expected)) in (1..).zip(changes) {
        let mut update = phone.expect("me_update").await;
        for aside in ["type", "timestamp"] {
            update.as_object_mut().unwrap().remove(aside);
        }
        assert_eq!(update, json!({"me": me, key: expected}));
    }
    let epoch = sync(&ann, json!({})).await["epoch"].clone();
    for (request, reset, blocks, contacts, places) in [
        (json!({}), true, change(&bob, false), json!([]), own_state.clone()),
        (json!({"me": 5}), true, change(&bob, false), json!([]), own_state.clone()),
        (json!({"me": 4, "epoch": "another"}), true, change(&bob, false), json!([]), own_state.clone()),
        (json!({"me": 0, "epoch": epoch}), false, change(&bob, false), change(&cat, true), own_state.clone()),
        (json!({"me": 2}), false, json!([]), change(&cat, true), own_state.clone()),
        (json!({"me": 3}), false, json!([]), change(&cat, true), json!([])),
        (json!({"me": 4}), false, json!([]), json!([]), json!([])),
    ] {
        let answer = sync(&ann, request.clone()).await;
        let mine =
            json!({"reset": reset, "blocks": blocks, "contacts": contacts, "conversations": places, "hidden": []});
        assert_eq!((&answer["mine"], &answer["me"]), (&mine, &json!(4)), "{request}");
    }
    assert_eq!(sync(&bob, json!({})).await["me"], 0, "other users are not notified");
}

both_databases!(a_snapshot_and_later_frames_give_the_complete_state);
async fn a_snapshot_and_later_frames_give_the_complete_state(hub: &mut TestHub) {
    const COUNT: usize = 40;
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut model = Model::default();
    let (mut phone, mut reader) = (bob.connect().await, bob.connect().await);
    let mut request = model.ask();
    request["type"] = json!("sync");
    let writing = async {
        let id = write(&ann, &bob, COUNT, "while you look").await;
        reader.ack(json!({"type": "conversation_read", "conversation_id": id})).await;
    };
    // The answer is from a moment in the middle, and the frames before it were kept.
    let (answer, ()) = tokio::join!(phone.ack(request), writing);
    for frame in phone.all_arrived().await {
        model.frame(&frame);
    }
    model.answer(&answer);
    while model.wants_sync() {
        catch_up(&bob, &mut model).await;
    }
    let expected = truth(&bob).await;
    assert_same(&model, &expected, "bob");
    assert_eq!(expected.shown(*expected.conversations.keys().next().unwrap()).len(), COUNT);
}
