//! Changes of the display name and the e-mail address, and who is notified of them.

use crate::harness::{Group, TestHub, User, both_databases};
use serde_json::{Value, json};

async fn change(user: &User, body: Value) -> Value {
    user.patch("/api/users/me", body).await.is(200).ok()["user"].clone()
}

/// The participant with this id and the name that this conversation shows.
fn shown(participants: &Value, id: i64) -> Value {
    let all = participants.as_array().unwrap();
    all.iter().find(|row| row["user_id"] == id).map(|row| row["display_name"].clone()).unwrap_or_default()
}

both_databases!(a_new_name_reaches_partners_and_groups_live_and_by_sync);
async fn a_new_name_reaches_partners_and_groups_live_and_by_sync(hub: &mut TestHub) {
    let [ann, bob, cat, dan] = hub.users(["ann", "bob", "cat", "dan"]).await;
    let direct = ann.gets_to_know(&bob).await;
    let group = Group::of(&bob, &[&ann, &cat]).await.id;
    let asked = json!({"conversations": {}});
    let before = bob.post("/api/sync", asked.clone()).await.ok();
    let mut sockets = [ann.connect().await, bob.connect().await, cat.connect().await];
    let mut stranger = dan.connect().await;
    let user = change(&ann, json!({"display_name": "Ann Lee"})).await;
    assert_eq!((&user["username"], &user["display_name"]), (&json!("ann"), &json!("Ann Lee")));
    for (socket, expected) in sockets.iter_mut().zip([vec![direct, group], vec![direct, group], vec![group]]) {
        let mut updated = Vec::new();
        for _ in &expected {
            let frame = socket.expect("conversation_update").await;
            assert_eq!(shown(&frame["conversation"]["participants"], ann.id), "Ann Lee", "{frame}");
            updated.push(frame["conversation_id"].as_i64().unwrap());
        }
        updated.sort_unstable();
        assert_eq!(updated, expected);
        socket.expect_silence().await;
    }
    stranger.expect_silence().await;
    let rows = before["conversations"].as_array().unwrap();
    let positions: Value = rows.iter().map(|row| (row["id"].to_string(), row["rev"].clone())).collect();
    let missed = json!({"epoch": before["epoch"], "me": before["me"], "conversations": positions});
    let missed = bob.post("/api/sync", missed).await.ok();
    let rows = missed["conversations"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{missed}");
    for row in rows {
        assert_eq!(shown(&row["participants"], ann.id), "Ann Lee", "{missed}");
    }
    let found = async |q: &str| dan.get(&format!("/api/users?q={q}")).await.ok()["users"].as_array().unwrap().len();
    assert_eq!((found("lee").await, found("ann").await), (1, 1));
    change(&ann, json!({"display_name": "Zoe"})).await;
    assert_eq!((found("lee").await, found("zoe").await), (0, 1));
    for socket in &mut sockets {
        socket.take_arrived();
    }
}

both_databases!(an_email_is_private_and_removable);
async fn an_email_is_private_and_removable(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.gets_to_know(&bob).await;
    let mut socket = bob.connect().await;
    for (body, name, email) in [
        (json!({"email": "ann@example.org"}), "ann", json!("ann@example.org")),
        (json!({}), "ann", json!("ann@example.org")),
        (json!({"display_name": "ann"}), "ann", json!("ann@example.org")),
        (json!({"display_name": null}), "ann", json!("ann@example.org")),
        (json!({"email": null}), "ann", Value::Null),
    ] {
        let user = change(&ann, body.clone()).await;
        assert_eq!((&user["display_name"], &user["email"]), (&json!(name), &email), "{body}");
        assert_eq!(ann.get("/api/auth/me").await.ok()["user"], user);
    }
    socket.expect_silence().await;
    assert!(bob.get(&format!("/api/users/{}", ann.id)).await.ok()["user"].get("email").is_none());
}

both_databases!(a_changed_name_must_be_valid_for_registration);
async fn a_changed_name_must_be_valid_for_registration(hub: &mut TestHub) {
    let [ann, _bob] = hub.users(["ann", "bob"]).await;
    for (body, why) in [
        (json!({"display_name": ""}), "display_name must have 1 to 64 characters"),
        (json!({"display_name": "\u{200b}"}), "display_name must have a visible character"),
        (json!({"display_name": "\u{202e}bob"}), "display_name must not contain characters that change the direction"),
        (json!({"display_name": "Deleted user"}), "display_name is reserved"),
        (json!({"display_name": 7}), "display_name must be a string"),
        (json!({"email": "nobody"}), "email must be an e-mail address"),
    ] {
        let detail = ann.patch("/api/users/me", body).await.refused(400, "invalid");
        assert!(detail.starts_with(why), "{detail}");
    }
    let detail = ann.patch("/api/users/me", json!({"display_name": "Bob"})).await.refused(409, "conflict");
    assert_eq!(detail, "display_name is another user's username: choose a different one");
    hub.visitor().patch("/api/users/me", json!({"email": null})).await.refused(401, "unauthenticated");
    assert_eq!(change(&ann, json!({"display_name": "ANN"})).await["display_name"], "ANN", "the user's own username");
}

both_databases!(ten_name_changes_an_hour_are_accepted);
async fn ten_name_changes_an_hour_are_accepted(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    for number in 1..=10 {
        for _the_same in 0..2 {
            change(&ann, json!({"display_name": format!("Ann {number}")})).await;
        }
    }
    let reply = ann.patch("/api/users/me", json!({"display_name": "Ann 11", "email": "ann@example.org"})).await;
    assert!(reply.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().unwrap() > 3_000));
    reply.refused(429, "rate_limited");
    let user = ann.get("/api/auth/me").await.ok()["user"].clone();
    assert_eq!((&user["display_name"], &user["email"]), (&json!("Ann 10"), &Value::Null), "the change is atomic");
    change(&ann, json!({"email": "ann@example.org"})).await;
    change(&bob, json!({"display_name": "Bob Lee"})).await;
}
