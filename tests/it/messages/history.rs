//! History: pages of messages and the list of conversations.

use crate::harness::{TestHub, User, both_databases};
use serde_json::{Value, json};
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;

fn seqs(page: &Value) -> Vec<i64> {
    page["messages"].as_array().unwrap().iter().map(|message| message["seq"].as_i64().unwrap()).collect()
}

/// All pages from the newest back, or from the oldest on, joined.
async fn read_all(user: &User, id: i64, limit: usize, is_backwards: bool) -> Vec<i64> {
    let mut all: Vec<i64> = Vec::new();
    loop {
        let query = match (is_backwards, all.first(), all.last()) {
            (true, Some(first), _) => format!("?limit={limit}&before_seq={first}"),
            (true, None, _) => format!("?limit={limit}"),
            (false, _, last) => format!("?limit={limit}&after_seq={}", last.unwrap_or(&0)),
        };
        let page = user.history(id, &query).await;
        let seqs = seqs(&page);
        assert!(seqs.len() <= limit, "{seqs:?}");
        match is_backwards {
            true => all.splice(0..0, seqs),
            false => all.splice(all.len().., seqs),
        };
        if page["has_more"] == json!(false) {
            return all;
        }
    }
}

both_databases!(pages_of_any_size_add_up_to_the_whole_history);
async fn pages_of_any_size_add_up_to_the_whole_history(hub: &mut TestHub) {
    const COUNT: i64 = 17;
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut phone = ann.connect().await;
    for number in 0..COUNT {
        phone.send(&bob, &number.to_string()).await;
    }
    let id = bob.conversations().await[0]["id"].as_i64().unwrap();
    let whole: Vec<i64> = (1..=COUNT).collect();
    for limit in (1..=COUNT as usize + 1).chain([200]) {
        assert_eq!(read_all(&bob, id, limit, true).await, whole, "backwards by {limit}");
        assert_eq!(read_all(&ann, id, limit, false).await, whole, "forwards by {limit}");
    }
}

both_databases!(a_page_is_ascending_and_has_an_exact_has_more);
async fn a_page_is_ascending_and_has_an_exact_has_more(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut id = 0;
    for number in 0..5 {
        id = ann.send_rest(&bob, &number.to_string()).await["conversation_id"].as_i64().unwrap();
    }
    for (query, expected, has_more) in [
        ("", vec![1, 2, 3, 4, 5], false),
        ("?limit=5", vec![1, 2, 3, 4, 5], false),
        ("?limit=4", vec![2, 3, 4, 5], true),
        ("?limit=2&before_seq=3", vec![1, 2], false),
        ("?limit=1&before_seq=3", vec![2], true),
        ("?before_seq=1", vec![], false),
        ("?before_seq=99", vec![1, 2, 3, 4, 5], false),
        ("?limit=2&after_seq=3", vec![4, 5], false),
        ("?limit=1&after_seq=3", vec![4], true),
        ("?after_seq=0", vec![1, 2, 3, 4, 5], false),
        ("?after_seq=5", vec![], false),
        ("?after_seq=99", vec![], false),
    ] {
        let page = bob.history(id, query).await;
        assert_eq!((seqs(&page), &page["has_more"]), (expected, &json!(has_more)), "{query}");
    }
}

both_databases!(in_5_a_page_out_of_bounds_is_refused_and_the_key_is_named);
async fn in_5_a_page_out_of_bounds_is_refused_and_the_key_is_named(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.send_rest(&bob, "hi").await["conversation_id"].as_i64().unwrap();
    let messages = format!("/api/conversations/{id}/messages");
    for (path, query, key) in [
        (&*messages, "limit=0", "limit"),
        (&messages, "limit=201", "limit"),
        (&messages, "limit=-1", "limit"),
        (&messages, "limit=ten", "limit"),
        (&messages, "before_seq=0", "before_seq"),
        (&messages, "before_seq=9007199254740992", "before_seq"),
        (&messages, "after_seq=1.5", "after_seq"),
        (&messages, "after_seq=-1", "after_seq"),
        (&messages, "before_seq=1&after_seq=1", "before_seq"),
        ("/api/conversations", "limit=0", "limit"),
        ("/api/conversations", "limit=201", "limit"),
        ("/api/conversations", "before=nonsense", "before"),
        ("/api/conversations", "before=1-0", "before"),
        ("/api/conversations", "with=0", "with"),
        ("/api/conversations", "with=bob", "with"),
        ("/api/conversations/0", "", "id"),
        ("/api/conversations/9007199254740992/messages", "", "id"),
        ("/api/users/x", "", "id"),
    ] {
        let detail = ann.get(&format!("{path}?{query}")).await.refused(400, "invalid");
        assert!(detail.contains(key), "{path}?{query}: {detail}");
    }
}

fn ids(conversations: &[Value]) -> Vec<i64> {
    conversations.iter().map(|conversation| conversation["id"].as_i64().unwrap()).collect()
}

/// Every page of the list, joined.
async fn list_all(user: &User, limit: usize) -> Vec<i64> {
    let mut all = Vec::new();
    let mut query = format!("?limit={limit}");
    loop {
        let page = user.get(&format!("/api/conversations{query}")).await.ok();
        let conversations = page["conversations"].as_array().unwrap();
        assert!(conversations.len() <= limit);
        all.extend(ids(conversations));
        match page["next"].as_str() {
            Some(next) => query = format!("?limit={limit}&before={next}"),
            None => return all,
        }
    }
}

both_databases!(conversation_pages_by_activity_have_no_gap_or_repeat);
async fn conversation_pages_by_activity_have_no_gap_or_repeat(hub: &mut TestHub) {
    let [ann, bob, cat, dan, eve] = hub.users(["ann", "bob", "cat", "dan", "eve"]).await;
    // Two pairs were active in the same millisecond: the later one comes first.
    let clock = Clock::fixed_at(Timestamp::from_millis(1_000));
    hub.restart_at(&clock);
    let mut made = Vec::new();
    for (other, at) in [(&bob, 1_000), (&cat, 1_000), (&dan, 2_000), (&eve, 2_000)] {
        clock.set(Timestamp::from_millis(at));
        made.push(ann.send_rest(other, "hi").await["conversation_id"].as_i64().unwrap());
    }
    let [with_bob, with_cat, with_dan, with_eve] = made[..] else { unreachable!("four were made") };
    let newest_first = [with_eve, with_dan, with_cat, with_bob];
    for limit in 1..=5 {
        assert_eq!(list_all(&ann, limit).await, newest_first, "by {limit}");
    }
    clock.set(Timestamp::from_millis(3_000));
    bob.send_rest(&ann, "back").await;
    assert_eq!(list_all(&ann, 2).await, [with_bob, with_eve, with_dan, with_cat]);
    assert_eq!(list_all(&bob, 2).await, [with_bob], "others' conversations are not listed");
}

both_databases!(a_conversation_has_the_documented_fields);
async fn a_conversation_has_the_documented_fields(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let message = ann.send_rest(&bob, "hi").await;
    let id = message["conversation_id"].as_i64().unwrap();
    let seen = bob.conversation(id).await;
    let participant = |user: &User| {
        json!({"user_id": user.id, "username": user.name, "display_name": user.name, "role": "member", "rev": 1,
               "read_seq": 0, "delivered_seq": 0})
    };
    let expected = json!({
        "id": id, "kind": "direct", "title": null, "platform": "chat", "created_at": seen["created_at"],
        "last_seq": 1, "rev": 2, "participant_count": 2, "participants": [participant(&ann), participant(&bob)],
        "last_message": message, "unread_count": 1, "cleared_seq": 0, "visible_from_seq": 1,
    });
    assert_eq!(seen, expected);
    assert_eq!(bob.conversations().await, [expected], "the list shows the same");
    assert_eq!(ann.conversation(id).await["unread_count"], 0, "the sender's own messages are not unread");
}

both_databases!(looking_up_a_conversation_by_user_does_not_create_it);
async fn looking_up_a_conversation_by_user_does_not_create_it(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let path = format!("/api/conversations?with={}", bob.id);
    assert_eq!(ann.get(&path).await.ok(), json!({"conversations": [], "next": null}));
    assert_eq!(hub.stored(), [0, 0, 0]);
    ann.send_rest(&cat, "hi").await;
    let id = ann.send_rest(&bob, "hi").await["conversation_id"].as_i64().unwrap();
    let found = ann.get(&path).await.ok();
    assert_eq!(ids(found["conversations"].as_array().unwrap()), [id]);
    assert_eq!(found["conversations"][0], ann.conversation(id).await);
    let nobody = ann.get("/api/conversations?with=999999").await.ok();
    assert_eq!(nobody["conversations"], json!([]));
}
