//! Finding people, and the private lists of contacts and blocks.

use crate::harness::{PASSWORD, TestHub, User, both_databases};
use serde_json::json;

async fn found(by: &User, query: &str) -> Vec<String> {
    let found = by.get(&format!("/api/users?{query}")).await.ok();
    let users = found["users"].as_array().unwrap();
    users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

both_databases!(in_4_people_are_found_by_the_beginning_of_a_name);
async fn in_4_people_are_found_by_the_beginning_of_a_name(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["annabel", "Bob"]).await;
    for (username, display_name) in [("cat", "Anna Ünal"), ("dan", "Jo-Ann Smith"), ("a_b", "100% Real_")] {
        let form = json!({"username": username, "password": PASSWORD, "display_name": display_name});
        hub.visitor().post("/api/auth/register", form).await.is(201);
    }
    for (query, expected) in [
        ("q=ann", vec!["annabel", "cat"]),
        ("q=ANN", vec!["annabel", "cat"]),
        ("q=bOB", vec!["Bob"]),
        ("q=%C3%BCn", vec!["cat"]),
        ("q=smi", vec!["dan"]),
        ("q=%20ann%20", vec!["annabel", "cat"]),
        ("q=a_", vec!["a_b"]),
        ("q=100%25", vec!["a_b"]),
        ("q=%25", vec![]),
        ("q=_", vec![]),
        ("q=zzz", vec![]),
        ("q=ann&limit=1", vec!["annabel"]),
    ] {
        assert_eq!(found(&bob, query).await, expected, "{query}");
    }
    for (query, key) in [("", "q"), ("q=", "q"), ("q=%00", "q"), ("q=a&limit=0", "limit"), ("q=a&limit=101", "limit")] {
        let detail = ann.get(&format!("/api/users?{query}")).await.refused(400, "invalid");
        assert!(detail.starts_with(key), "{query}: {detail}");
    }
    hub.visitor().get("/api/users?q=ann").await.refused(401, "unauthenticated");
}

both_databases!(who_blocks_and_who_is_blocked_do_not_find_each_other);
async fn who_blocks_and_who_is_blocked_do_not_find_each_other(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    ann.blocks(&bob).await;
    assert!(found(&ann, "q=bob").await.is_empty());
    assert!(found(&bob, "q=ann").await.is_empty());
    assert_eq!(
        (found(&cat, "q=ann").await, found(&cat, "q=bob").await),
        (vec!["ann".to_owned()], vec!["bob".to_owned()])
    );
    ann.unblocks(&bob).await;
    assert_eq!(found(&bob, "q=ann").await, ["ann"]);
}

both_databases!(the_lists_of_contacts_and_blocks_are_ones_own);
async fn the_lists_of_contacts_and_blocks_are_ones_own(hub: &mut TestHub) {
    let [ann, bob, cat, fay] = hub.users(["ann", "bob", "cat", "fay"]).await;
    for list in ["/api/contacts", "/api/blocks"] {
        for _twice in 0..2 {
            ann.put(&format!("{list}/{}", cat.id)).await.is(204);
            ann.put(&format!("{list}/{}", bob.id)).await.is(204);
        }
        let listed = ann.get(list).await.ok();
        let seen = async |user: &User| fay.get(&format!("/api/users/{}", user.id)).await.ok()["user"].clone();
        assert_eq!(listed, json!({"users": [seen(&bob).await, seen(&cat).await]}));
        assert_eq!(bob.get(list).await.ok(), json!({"users": []}));
        for _twice in 0..2 {
            ann.delete(&format!("{list}/{}", bob.id)).await.is(204);
        }
        assert_eq!(ann.get(list).await.ok()["users"].as_array().unwrap().len(), 1);
        for method in ["PUT", "DELETE"] {
            let told = ann.call(method, &format!("{list}/{}", ann.id)).await.refused(400, "invalid");
            assert!(told.contains("user_id"), "{told}");
            ann.call(method, &format!("{list}/999999")).await.refused(404, "not_found");
            let told = ann.call(method, &format!("{list}/0")).await.refused(400, "invalid");
            assert!(told.contains("user_id"), "{told}");
        }
    }
    ann.get("/api/users/999999").await.refused(404, "not_found");
}
