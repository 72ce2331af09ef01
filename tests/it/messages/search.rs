//! Message search: it finds messages by their words in any language, the same over HTTP and the
//! socket and on both databases. It never returns a message that the caller may not read.

use crate::harness::{TestHub, User, both_databases, eventually};
use serde_json::{Value, json};
use switchboard::ids::MessageId;
use switchboard::store::messaging::search_index::indexed_upto;

/// Calls `GET /api/search` with these keys.
async fn search(user: &User, keys: &[(&str, &str)]) -> Value {
    user.get(&path(keys)).await.is(200).ok()
}

fn path(keys: &[(&str, &str)]) -> String {
    url::Url::parse_with_params("http://hub/api/search", keys).unwrap().as_str()["http://hub".len()..].to_owned()
}

fn ids(page: &Value) -> Vec<i64> {
    page["messages"].as_array().unwrap().iter().map(|message| message["id"].as_i64().unwrap()).collect()
}

fn contents(page: &Value) -> Vec<&str> {
    page["messages"].as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect()
}

pub async fn find(user: &User, q: &str) -> Vec<i64> {
    ids(&search(user, &[("q", q), ("limit", "100")]).await)
}

/// Waits until the index covers everything that is stored.
pub async fn is_indexed(hub: &TestHub) {
    let stored = hub.database.count("messages");
    let target = hub.database.target();
    eventually("all is indexed", async || indexed_upto(&mut target.open().unwrap()).unwrap() >= MessageId::new(stored))
        .await;
}

both_databases!(an_acknowledged_message_is_found_at_once);
async fn an_acknowledged_message_is_found_at_once(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut phone = ann.connect().await;
    for number in 1..=15 {
        let sent = phone.send(&bob, &format!("needle{number}")).await;
        assert_eq!(find(&bob, &format!("needle{number}")).await, [sent["id"].as_i64().unwrap()]);
    }
}

both_databases!(search_pages_of_any_size_add_up_to_all_results, MESSAGE_BURST = "100");
async fn search_pages_of_any_size_add_up_to_all_results(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let mut expected = Vec::new();
    for number in 0..12 {
        let (from, to) = if number % 3 == 0 { (&cat, &ann) } else { (&ann, &bob) };
        expected.insert(0, from.send_rest(to, &format!("needle {number}")).await["id"].as_i64().unwrap());
        ann.send_rest(&bob, "hay").await;
        cat.send_rest(&bob, "needle of others").await;
    }
    for is_settled in [false, true] {
        if is_settled {
            is_indexed(hub).await;
        }
        for limit in [1, 2, 5, 11, 12, 13, 100] {
            let (mut all, mut before) = (Vec::new(), String::new());
            loop {
                let limit = limit.to_string();
                let keys = [("q", "needle"), ("limit", &limit), ("before", &before)];
                let page = search(&ann, &keys[..if before.is_empty() { 2 } else { 3 }]).await;
                all.extend(ids(&page));
                match page["next"].as_i64() {
                    Some(next) => before = next.to_string(),
                    None => break,
                }
            }
            assert_eq!(all, expected, "by {limit}");
        }
    }
}

both_databases!(a_search_in_one_conversation_finds_nothing_elsewhere);
async fn a_search_in_one_conversation_finds_nothing_elsewhere(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let with_bob = ann.send_rest(&bob, "needle one").await;
    let with_cat = cat.send_rest(&ann, "needle two").await;
    for is_settled in [false, true] {
        if is_settled {
            is_indexed(hub).await;
        }
        for message in [&with_bob, &with_cat] {
            let id = message["conversation_id"].to_string();
            let page = search(&ann, &[("q", "needle"), ("conversation_id", &id)]).await;
            assert_eq!(ids(&page), [message["id"].as_i64().unwrap()]);
        }
    }
    let theirs = with_bob["conversation_id"].to_string();
    let absent = cat.get(&path(&[("q", "needle"), ("conversation_id", "999")])).await.refused(404, "not_found");
    let hidden = cat.get(&path(&[("q", "needle"), ("conversation_id", &theirs)])).await.refused(404, "not_found");
    assert_eq!(hidden, absent);
}

both_databases!(search_finds_only_readable_messages);
async fn search_finds_only_readable_messages(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let first = ann.send_rest(&bob, "needle one").await;
    let second = bob.send_rest(&ann, "needle two").await;
    let (first, second) = (first["id"].as_i64().unwrap(), second["id"].as_i64().unwrap());
    for is_settled in [false, true] {
        if is_settled {
            is_indexed(hub).await;
        }
        assert_eq!(find(&eve, "needle").await, [0; 0], "a stranger");
        assert_eq!(find(&ann, "needle").await, [second, first]);
        bob.blocks(&ann).await;
        assert_eq!(find(&bob, "needle").await, [second], "messages of a blocked user are hidden");
        assert_eq!(find(&ann, "needle").await, [first], "messages of a blocker are hidden");
        bob.unblocks(&ann).await;
        for (column, value, expected) in
            [("cleared_seq", 1, vec![second]), ("visible_from_seq", 3, vec![]), ("role", 0, vec![])]
        {
            let value = if column == "role" { "NULL".to_owned() } else { value.to_string() };
            hub.database.execute(&format!("UPDATE participants SET {column} = {value} WHERE user_id = {}", bob.id));
            assert_eq!(find(&bob, "needle").await, expected, "{column}");
            assert_eq!(find(&ann, "needle").await, [second, first], "the state of another user does not matter");
            hub.database.execute(&format!(
                "UPDATE participants SET role = 'member', cleared_seq = 0, visible_from_seq = 1 WHERE user_id = {}",
                bob.id
            ));
        }
    }
    hub.visitor().get(&path(&[("q", "needle")])).await.refused(401, "unauthenticated");
}

both_databases!(a_snippet_marks_what_was_found);
async fn a_snippet_marks_what_was_found(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let long = format!("{}😀 die Straße, {}", "ä".repeat(300), "x ".repeat(100));
    for content in ["👍🏽 Straße um Straße", &long] {
        ann.send_rest(&bob, content).await;
    }
    let page = search(&bob, &[("q", "STRASSE")]).await;
    assert_eq!(contents(&page), [&*long, "👍🏽 Straße um Straße"]);
    for hit in page["messages"].as_array().unwrap() {
        let content: Vec<char> = hit["content"].as_str().unwrap().chars().collect();
        let text: Vec<char> = hit["snippet"]["text"].as_str().unwrap().chars().collect();
        let offset = hit["snippet"]["offset"].as_u64().unwrap() as usize;
        assert!(text.len() <= 160 && content[offset..].starts_with(&text), "{hit}");
        for place in hit["snippet"]["matches"].as_array().unwrap() {
            let [from, to] = [0, 1].map(|at| place[at].as_u64().unwrap() as usize);
            assert_eq!(text[from..to].iter().collect::<String>(), "Straße");
        }
    }
    assert_eq!(page["messages"][1]["snippet"]["matches"], json!([[3, 9], [13, 19]]));
    assert_eq!(page["messages"][0]["snippet"]["matches"].as_array().unwrap().len(), 1);
}

both_databases!(an_invalid_query_fails_the_same_over_rest_and_socket);
async fn an_invalid_query_fails_the_same_over_rest_and_socket(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.send_rest(&bob, "a OR b 1=1").await;
    is_indexed(hub).await;
    let mut phone = ann.connect().await;
    for q in ["", " ", "\"\"", "?!…", "-- * () :", "\u{0}", &"x".repeat(257), &"x".repeat(10_000), &"x ".repeat(17)] {
        let detail = ann.get(&path(&[("q", q)])).await.refused(400, "invalid");
        assert!(detail.starts_with("q "), "{detail}");
        assert_eq!(phone.refused(json!({"type": "search", "q": q})).await, ("invalid".into(), detail));
    }
    for (keys, body, key) in [
        (vec![], json!({}), "q is missing"),
        (vec![("q", "x"), ("limit", "0")], json!({"q": "x", "limit": 0}), "limit"),
        (vec![("q", "x"), ("limit", "101")], json!({"q": "x", "limit": 101}), "limit"),
        (vec![("q", "x"), ("before", "0")], json!({"q": "x", "before": 0}), "before"),
        (vec![("q", "x"), ("before", "x")], json!({"q": "x", "before": "x"}), "before"),
        (vec![("q", "x"), ("conversation_id", "-1")], json!({"q": "x", "conversation_id": -1}), "conversation_id"),
    ] {
        let detail = ann.get(&path(&keys)).await.refused(400, "invalid");
        let mut frame = body;
        frame["type"] = json!("search");
        let (code, message) = phone.refused(frame).await;
        assert_eq!(code, "invalid");
        assert!(detail.contains(key) && message.contains(key), "{detail}, {message}");
    }
    phone.frame(json!({"type": "search", "q": "x"})).await;
    assert_eq!(phone.expect("error").await["message"], "ref is missing");
}

both_databases!(database_search_syntax_has_no_effect);
async fn database_search_syntax_has_no_effect(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.send_rest(&bob, "fish or 1=1 near chips").await["id"].as_i64().unwrap();
    is_indexed(hub).await;
    let mut phone = ann.connect().await;
    for (q, is_found) in [
        ("\" OR 1=1 --", true),
        ("fish AND chips", false),
        ("fish NOT chips", false),
        ("NEAR(fish chips)", false),
        ("terms:fish", false),
        ("fish*", true),
        ("^fish", true),
        ("fish + or", true),
        ("'fish' & !chips", true),
        ("fish:* | cats", false),
        ("fish'; DROP TABLE messages; --", false),
        ("{fish chips}", true),
        ("§u1", false),
        ("%", false),
        ("\\", false),
    ] {
        let expected = if is_found { vec![id] } else { vec![] };
        let frame = json!({"type": "search", "q": q});
        match q.chars().any(char::is_alphanumeric) {
            true => {
                assert_eq!(find(&ann, q).await, expected, "{q}");
                assert_eq!(ids(&phone.ack(frame).await), expected, "{q}");
            }
            false => assert_eq!(phone.refused(frame).await.0, "invalid"),
        }
    }
}

both_databases!(search_finds_edited_text_and_no_deleted_or_hidden_messages);
async fn search_finds_edited_text_and_no_deleted_or_hidden_messages(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    for is_settled in [false, true] {
        let edited = ann.send_rest(&bob, "needle one").await["id"].as_i64().unwrap();
        let deleted = ann.send_rest(&bob, "needle two").await["id"].as_i64().unwrap();
        let hidden = ann.send_rest(&bob, "needle three").await["id"].as_i64().unwrap();
        if is_settled {
            is_indexed(hub).await;
        }
        ann.patch(&format!("/api/messages/{edited}"), json!({"content": "pin one"})).await.is(200);
        ann.delete(&format!("/api/messages/{deleted}?for=everyone")).await.is(204);
        bob.delete(&format!("/api/messages/{hidden}?for=me")).await.is(204);
        for _ in 0..2 {
            assert_eq!(find(&bob, "pin").await, [edited], "settled: {is_settled}");
            assert_eq!(find(&bob, "needle").await, [0; 0]);
            assert_eq!(find(&ann, "needle").await, [hidden], "the message stays visible to others");
            is_indexed(hub).await;
        }
        let id = ann.conversations().await[0]["id"].as_i64().unwrap();
        bob.delete(&format!("/api/conversations/{id}")).await.is(204);
        assert_eq!(find(&bob, "pin").await, [0; 0], "it was cleared");
        ann.delete(&format!("/api/conversations/{id}")).await.is(204);
    }
}

both_databases!(a_group_is_searched_only_within_the_membership);
async fn a_group_is_searched_only_within_the_membership(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let body = json!({"participant_ids": [bob.id], "title": "sewing"});
    let made = ann.post("/api/conversations", body).await.is(201).ok();
    let id = made["conversation"]["id"].as_i64().unwrap();
    let says = async |content: &str| {
        let path = format!("/api/conversations/{id}/messages");
        ann.post(&path, json!({"content": content})).await.is(201).ok()["message"]["id"].as_i64().unwrap()
    };
    let participants = format!("/api/conversations/{id}/participants");
    let before = says("needle before").await;
    ann.post(&participants, json!({"user_id": cat.id})).await.is(204);
    let after = says("needle after").await;
    for _ in 0..2 {
        assert_eq!(find(&bob, "needle").await, [after, before]);
        assert_eq!(find(&cat, "needle").await, [after]);
        is_indexed(hub).await;
    }
    ann.delete(&format!("{participants}/{}", bob.id)).await.is(204);
    assert_eq!(find(&bob, "needle").await, [0; 0]);
    assert_eq!(find(&cat, "needle").await, [after]);
}
