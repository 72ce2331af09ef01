//! Behaviour that depends on the size of a group: shared receipts, and the list of people.

use crate::harness::{Group, Model, TestHub, User, both_databases, crowd};
use serde_json::{Value, json};

async fn status(reader: &User, sent: &Value) -> Value {
    reader.get(&format!("/api/messages/{}", sent["id"])).await.ok()["message"]["status"].clone()
}

both_databases!(receipts_are_shared_in_groups_of_up_to_32_members);
async fn receipts_are_shared_in_groups_of_up_to_32_members(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let mut others = crowd(hub, &ann, 30).await;
    others.push(bob.id);
    let group = Group::of_ids(&ann, &others).await;
    let mut watching = ann.connect().await;
    let sent = group.says(&ann, "hi").await;
    assert_eq!(watching.next().await["rev"], 2);
    bob.post(&group.at("/read"), json!({})).await.is(204);
    let frame = watching.next().await;
    assert_eq!((&frame["type"], &frame["user_id"]), (&json!("conversation_read"), &json!(bob.id)));
    group.add(&ann, &cat).await.is(204);
    assert_eq!(watching.next().await["conversation"]["participant_count"], 33);
    let later = group.says(&ann, "more").await;
    assert_eq!(watching.next().await["message"], later);
    let mut bob_socket = bob.connect().await;
    bob.post(&group.at("/read"), json!({})).await.is(204);
    assert_eq!(bob_socket.expect("me_update").await["conversations"][0]["read_seq"], 2);
    watching.expect_silence().await;
    assert_eq!(bob.conversation(group.id).await["unread_count"], 0);
    let receipts = ann.get(&format!("/api/messages/{}/receipts", later["id"])).await.ok();
    assert!(receipts["receipts"].as_array().unwrap().iter().all(|row| row["read_at"].is_null()), "{receipts}");
    // When the group is small again, receipts are shared again from then on.
    group.remove(&cat, &cat).await.is(204);
    assert_eq!(watching.next().await["type"], "conversation_update");
    bob.post(&group.at("/read"), json!({})).await.is(204);
    assert_eq!(watching.next().await["seq"], 2);
    assert_eq!(status(&ann, &sent).await, "sent", "the others have not read it");
}

both_databases!(a_group_of_more_than_sixty_four_lists_only_the_caller);
async fn a_group_of_more_than_sixty_four_lists_only_the_caller(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let mut others = crowd(hub, &ann, 62).await;
    others.push(bob.id);
    let (mut ann_socket, mut bob_socket) = (ann.connect().await, bob.connect().await);
    let group = Group::of_ids(&ann, &others).await;
    let conversation = bob_socket.next().await["conversation"].clone();
    assert_eq!(
        (conversation["participants"].as_array().unwrap().len(), &conversation["participant_count"]),
        (64, &json!(64))
    );
    assert_eq!(bob.conversation(group.id).await["participants"], conversation["participants"]);
    ann_socket.arrived().await;
    group.add(&ann, &cat).await.is(204);
    for socket in [&mut ann_socket, &mut bob_socket] {
        let conversation = socket.next().await["conversation"].clone();
        let ids: Vec<&Value> =
            conversation["participants"].as_array().unwrap().iter().map(|row| &row["user_id"]).collect();
        assert_eq!(
            (ids, &conversation["participant_count"]),
            (vec![&json!(cat.id)], &json!(65)),
            "only the new member is listed"
        );
    }
    for who in [&ann, &bob, &cat] {
        let seen = who.conversation(group.id).await;
        let ids: Vec<&Value> = seen["participants"].as_array().unwrap().iter().map(|row| &row["user_id"]).collect();
        assert_eq!((ids, &seen["participant_count"]), (vec![&json!(who.id)], &json!(65)));
    }
    let mut model = Model::default();
    let asked = model.ask();
    model.answer(&cat.post("/api/sync", asked).await.ok());
    assert_eq!(model.conversations[&group.id].members().len(), 1, "a new client gets only its own user");
    others.push(cat.id);
    let mut socket = cat.connect().await;
    let more = crowd(hub, &ann, 65).await;
    let larger = Group::of_ids(&ann, &[&[bob.id, cat.id], &more[..63]].concat()).await;
    let frame = socket.next().await;
    assert_eq!(
        (&frame["conversation"]["participants"], &frame["rev"]),
        (&json!([]), &json!(1)),
        "a large group lists no participants"
    );
    assert_eq!(frame["conversation"]["participant_count"], 66);
    assert_eq!(cat.conversation(larger.id).await["participants"][0]["user_id"], cat.id);
}

both_databases!(all_members_of_a_group_are_listed_in_pages);
async fn all_members_of_a_group_are_listed_in_pages(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut others = crowd(hub, &ann, 69).await;
    others.push(bob.id);
    let group = Group::of_ids(&ann, &others).await;
    let mut everybody = [&[ann.id], &others[..]].concat();
    everybody.sort_unstable();
    let ids = |page: &Value| -> Vec<i64> {
        page["participants"].as_array().unwrap().iter().map(|row| row["user_id"].as_i64().unwrap()).collect()
    };
    let whole = bob.get(&group.at("/participants")).await.is(200).ok();
    assert_eq!((ids(&whole), &whole["next"]), (everybody.clone(), &Value::Null));
    let (mut found, mut after) = (Vec::new(), json!(0));
    while !after.is_null() {
        let query = if after == 0 { String::new() } else { format!("&after={after}") };
        let page = bob.get(&group.at(&format!("/participants?limit=30{query}"))).await.is(200).ok();
        assert!(ids(&page).len() <= 30);
        found.extend(ids(&page));
        after = page["next"].clone();
    }
    assert_eq!(found, everybody, "each once");
    for query in ["limit=0", "limit=201", "after=x", "after=-1"] {
        bob.get(&group.at(&format!("/participants?{query}"))).await.refused(400, "invalid");
    }
    group.remove(&ann, &bob).await.is(204);
    let left = ann.get(&group.at("/participants")).await.ok();
    assert!(!ids(&left).contains(&bob.id), "a former member is not listed");
}
