//! Closing an account: the user's identity is erased, their messages stay, and nobody can reach
//! them any more.

use crate::harness::{Group, PASSWORD, Reply, TestHub, User, both_databases, refused_on_both};
use serde_json::{Value, json};

async fn close(user: &User, password: &str) -> Reply {
    user.call_with("DELETE", "/api/auth/me", json!({"password": password})).await
}

async fn closes(user: &User) {
    close(user, PASSWORD).await.is(204);
}

/// The view of a user who closed their account.
fn assert_deleted(shown: &Value, user: &User) {
    assert_eq!(shown["username"], format!("deleted:{}", user.id), "{shown}");
    assert_eq!(shown["display_name"], "Deleted user", "{shown}");
}

both_databases!(a_closed_account_is_refused_everywhere_permanently);
async fn a_closed_account_is_refused_everywhere_permanently(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (phone, token) = (bob.log_in_again().await, bob.by_token().await);
    let mut sockets = [bob.connect().await, phone.connect().await, token.connect().await];
    let mut other = ann.connect().await;
    let reply = close(&bob, PASSWORD).await.is(204);
    assert_eq!(reply.cookie().0, "switchboard=", "the browser forgets it");
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, Some(4501));
    }
    for way_in in [&bob, &phone, &token] {
        way_in.get("/api/auth/me").await.refused(401, "unauthenticated");
        way_in.handshake().await.refused(401, "unauthenticated");
        close(way_in, PASSWORD).await.refused(401, "unauthenticated");
    }
    let log_in =
        async |name: &str| hub.visitor().post("/api/auth/login", json!({"username": name, "password": PASSWORD})).await;
    let (closed, unknown) = (log_in("bob").await, log_in("nobody").await);
    assert_eq!((closed.status, &closed.body), (unknown.status, &unknown.body));
    closed.refused(401, "bad_credentials");
    for (name, status, code) in [("BOB", 409, "username_taken"), (&format!("deleted:{}", bob.id), 400, "invalid")] {
        let form = json!({"username": name, "password": PASSWORD});
        hub.visitor().post("/api/auth/register", form).await.refused(status, code);
    }
    other.answers().await;
    assert_eq!(hub.database.count("logins"), 1);
}

both_databases!(a_closed_account_loses_its_data_and_its_messages_stay);
async fn a_closed_account_loses_its_data_and_its_messages_stay(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    bob.patch("/api/users/me", json!({"display_name": "Bob Builder", "email": "bob@example.org"})).await.is(200);
    let bob = hub.promote(&bob).await;
    assert_eq!(ann.get("/api/users?q=builder").await.ok()["users"][0]["id"], bob.id);
    let id = ann.gets_to_know(&bob).await;
    bob.adds_contact(&ann).await;
    bob.blocks(&cat).await;
    cat.blocks(&bob).await;
    ann.adds_contact(&bob).await;
    closes(&bob).await;
    for q in ["bob", "Builder", "deleted", "user"] {
        assert_eq!(ann.get(&format!("/api/users?q={q}")).await.ok()["users"], json!([]), "{q}");
    }
    let shown = ann.get(&format!("/api/users/{}", bob.id)).await.ok()["user"].clone();
    assert_deleted(&shown, &bob);
    assert_deleted(&ann.get("/api/contacts").await.ok()["users"][0], &bob);
    assert_deleted(&cat.get("/api/blocks").await.ok()["users"][0], &bob);
    let participants = ann.conversation(id).await["participants"].clone();
    let shown = participants.as_array().unwrap().iter().find(|row| row["user_id"] == bob.id).unwrap();
    assert_deleted(shown, &bob);
    assert_eq!(ann.contents(id).await, ["hello", "hello"]);
    assert_eq!(ann.history(id, "").await["messages"][1]["sender_id"], bob.id);
    assert_eq!(ann.get("/api/search?q=hello").await.ok()["messages"].as_array().unwrap().len(), 2);
    for (table, kept) in [("blocks", 1), ("contacts", 1), ("user_words", 2), ("users", 3)] {
        assert_eq!(hub.database.count(table), kept, "{table}");
    }
    let nothing = "users WHERE email IS NULL AND password_hash IS NULL AND last_seen_at IS NULL AND role = 'user'";
    assert_eq!(hub.database.count(nothing), 1);
}

both_databases!(a_closed_account_receives_no_messages);
async fn a_closed_account_receives_no_messages(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let id = ann.gets_to_know(&bob).await;
    let keyed = json!({"recipient_id": bob.id, "content": "before", "client_message_id": "key"});
    let sent = ann.post("/api/messages", keyed.clone()).await.is(201).ok()["message"].clone();
    let group = Group::of(&ann, &[&cat]).await;
    ann.blocks(&bob).await;
    closes(&bob).await;
    ann.delete(&format!("/api/blocks/{}", bob.id)).await.is(204);
    let stored = hub.stored();
    let to = |id: i64| json!({"recipient_id": id, "content": "hi"});
    let refusal = refused_on_both(&ann, "private_message", to(bob.id)).await;
    assert_eq!(refusal, refused_on_both(&ann, "private_message", to(999_999)).await, "as where there never was one");
    assert_eq!(refusal.0, "not_found");
    let here = json!({"conversation_id": id, "content": "hi"});
    assert_eq!(refused_on_both(&ann, "private_message", here).await, refusal);
    let typing = json!({"conversation_id": id, "is_typing": true});
    assert_eq!(refused_on_both(&ann, "typing_indicator", typing).await, refusal);
    let edit = json!({"message_id": sent["id"], "content": "after"});
    assert_eq!(refused_on_both(&ann, "edit_message", edit).await, refusal);
    let react = json!({"message_id": sent["id"], "emoji": "👍", "on": true});
    assert_eq!(refused_on_both(&ann, "react", react).await, refusal);
    for people in [vec![bob.id], vec![bob.id, ann.id]] {
        cat.post("/api/conversations", json!({"participant_ids": people})).await.refused(404, "not_found");
    }
    group.add(&ann, &bob).await.refused(404, "not_found");
    for list in ["blocks", "contacts"] {
        let path = format!("/api/{list}/{}", bob.id);
        ann.put(&path).await.refused(404, "not_found");
        ann.delete(&path).await.is(204);
    }
    let again = ann.post("/api/messages", keyed).await.is(200).ok();
    assert_eq!(again["message"]["id"], sent["id"], "an earlier message is still acknowledged");
    assert_eq!(hub.stored(), stored);
    ann.delete(&format!("/api/messages/{}?for=everyone", sent["id"])).await.is(204);
    ann.delete(&format!("/api/conversations/{id}")).await.is(204);
}

both_databases!(partners_are_sent_the_new_name_of_a_closed_account, PRESENCE_GRACE = "0s");
async fn partners_are_sent_the_new_name_of_a_closed_account(hub: &mut TestHub) {
    let [ann, bob, cat, dan] = hub.users(["ann", "bob", "cat", "dan"]).await;
    let mut ids = [ann.gets_to_know(&bob).await, cat.gets_to_know(&bob).await];
    ids.sort_unstable();
    // Dan opened one conversation and Bob another. Both have no messages.
    let open = async |by: &User, with: &User| {
        let body = json!({"participant_ids": [with.id]});
        by.post("/api/conversations", body).await.is(201).ok()["conversation"]["id"].as_i64().unwrap()
    };
    let opened = open(&dan, &bob).await;
    let [eve] = hub.users(["eve"]).await;
    open(&bob, &eve).await;
    let position = ann.conversation(ids[0]).await["rev"].as_i64().unwrap();
    let mut sockets = Vec::new();
    for (user, id) in [(&ann, ids[0]), (&cat, ids[1]), (&dan, opened)] {
        sockets.push((user.connect().await, user, id));
    }
    let mut stranger = eve.connect().await;
    closes(&bob).await;
    for (socket, user, id) in &mut sockets {
        let frame = socket.expect("conversation_update").await;
        let rows = frame["conversation"]["participants"].as_array().unwrap();
        assert_eq!((&frame["conversation_id"], rows.len()), (&json!(*id), 1), "{frame}");
        assert_deleted(&rows[0], &bob);
        assert_eq!(rows[0]["rev"], frame["rev"]);
        assert_eq!(user.conversation(*id).await["rev"], frame["rev"]);
    }
    assert_eq!(ann.conversation(ids[0]).await["rev"], position + 1);
    let ask = json!({"conversations": {ids[0].to_string(): position}, "only": true});
    let synced = ann.post("/api/sync", ask).await.ok()["conversations"][0].clone();
    assert_eq!((&synced["reset"], &synced["rev"]), (&json!(false), &json!(position + 1)));
    assert_deleted(&synced["participants"][0], &bob);
    stranger.expect_silence().await;
    assert_eq!(eve.conversations().await, [] as [Value; 0], "an unknown conversation is not revealed");
}

both_databases!(a_closed_account_leaves_its_groups_and_passes_on_ownership);
async fn a_closed_account_leaves_its_groups_and_passes_on_ownership(hub: &mut TestHub) {
    let [ann, bob, cat, dan] = hub.users(["ann", "bob", "cat", "dan"]).await;
    let to_an_admin = Group::of(&bob, &[&ann, &cat, &dan]).await;
    to_an_admin.set_role(&bob, &dan, "admin").await.is(204);
    let to_the_eldest = Group::of(&bob, &[&cat]).await;
    to_the_eldest.add(&bob, &ann).await.is(204);
    let sooner = format!("UPDATE participants SET joined_at = joined_at - 1 WHERE user_id = {}", cat.id);
    hub.database.execute(&sooner);
    let of_two = Group::of(&bob, &[&cat, &ann]).await;
    of_two.set_role(&bob, &cat, "owner").await.is(204);
    let of_another = Group::of(&ann, &[&bob, &cat]).await;
    let alone = Group::of(&bob, &[&ann]).await;
    alone.remove(&bob, &ann).await.is(204);
    to_an_admin.says(&bob, "good bye").await;
    let mut socket = cat.connect().await;
    closes(&bob).await;
    for (group, expected) in [
        (to_an_admin, json!({"ann": "member", "cat": "member", "dan": "owner"})),
        (to_the_eldest, json!({"ann": "member", "cat": "owner"})),
        (of_two, json!({"ann": "member", "cat": "owner"})),
        (of_another, json!({"ann": "owner", "cat": "member"})),
    ] {
        assert_eq!(json!(group.roles(&cat).await), expected);
    }
    assert_eq!(cat.contents(to_an_admin.id).await, ["good bye"]);
    let left = "participants p JOIN conversations c ON c.id = p.conversation_id
                WHERE c.kind = 'group' AND p.role IS NOT NULL AND p.user_id =";
    assert_eq!(hub.database.count(&format!("{left} {}", bob.id)), 0);
    let mut changes = Vec::new();
    for frame in socket.arrived().await {
        if frame["type"] == "conversation_update" {
            let row = &frame["conversation"]["participants"][0];
            changes.push((frame["conversation_id"].as_i64().unwrap(), row["username"].clone(), row["role"].clone()));
        }
    }
    let gone = (json!(format!("deleted:{}", bob.id)), Value::Null);
    let owner = |name: &str| (json!(name), json!("owner"));
    let expected = [
        (to_an_admin, owner("dan")),
        (to_an_admin, gone.clone()),
        (to_the_eldest, owner("cat")),
        (to_the_eldest, gone.clone()),
        (of_two, gone.clone()),
        (of_another, gone),
    ];
    assert_eq!(changes, expected.map(|(group, (name, role))| (group.id, name, role)));
}

both_databases!(a_closed_account_goes_offline_for_all_its_observers, PRESENCE_GRACE = "0s");
async fn a_closed_account_goes_offline_for_all_its_observers(hub: &mut TestHub) {
    let [ann, bob, cat, dan, eve] = hub.users(["ann", "bob", "cat", "dan", "eve"]).await;
    ann.gets_to_know(&bob).await;
    Group::of(&cat, &[&bob]).await;
    bob.adds_contact(&dan).await;
    bob.adds_contact(&eve).await;
    bob.blocks(&eve).await;
    let (mut partner, mut mate) = (ann.connect().await, cat.connect().await);
    let (mut contact, mut blocked) = (dan.connect().await, eve.connect().await);
    let mut own = bob.connect().await;
    for socket in [&mut partner, &mut mate, &mut contact] {
        assert!(socket.presence_of(&bob).await);
    }
    closes(&bob).await;
    for socket in [&mut partner, &mut mate, &mut contact] {
        assert!(!socket.presence_of(&bob).await);
    }
    assert_eq!(own.closed().await, Some(4501));
    for socket in [&mut partner, &mut mate, &mut contact, &mut blocked] {
        assert_eq!(socket.presence_arrived().await, [], "the change is sent once, and not to blocked users");
    }
    assert_eq!(hub.database.count(&format!("users WHERE id = {} AND last_seen_at IS NULL", bob.id)), 1);
}

both_databases!(closing_an_account_requires_the_password);
async fn closing_an_account_requires_the_password(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut socket = ann.connect().await;
    for wrong in ["", "wrong horse battery"] {
        close(&ann, wrong).await.refused(401, "bad_credentials");
    }
    let detail = ann.call_with("DELETE", "/api/auth/me", json!({})).await.refused(400, "invalid");
    assert_eq!(detail, "password is missing");
    ann.delete("/api/auth/me").await.refused(415, "invalid");
    close(&ann.at("https://evil.example"), PASSWORD).await.refused(403, "bad_origin");
    hub.visitor().delete("/api/auth/me").await.refused(415, "invalid");
    let body = json!({"password": PASSWORD});
    hub.visitor().call_with("DELETE", "/api/auth/me", body).await.refused(401, "unauthenticated");
    socket.answers().await;
    ann.log_in_again().await.get("/api/auth/me").await.is(200);
}
