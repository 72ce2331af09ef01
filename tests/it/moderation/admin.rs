//! Site administrators: how the role is given, and the effects of disabling an account.

use crate::harness::{Group, PASSWORD, Reply, TestHub, User, both_databases};
use serde_json::json;

/// An administrator's action on an account: `disable` or `enable`.
async fn call(by: &User, what: &str, id: i64) -> Reply {
    by.call("POST", &format!("/api/admin/users/{id}/{what}")).await
}

async fn disable(by: &User, who: &User) {
    call(by, "disable", who.id).await.is(204);
}

async fn enable(by: &User, who: &User) {
    call(by, "enable", who.id).await.is(204);
}

async fn log_in(hub: &TestHub, who: &User, password: &str) -> Reply {
    hub.visitor().post("/api/auth/login", json!({"username": who.name, "password": password})).await
}

both_databases!(administrator_rights_apply_from_the_next_request);
async fn administrator_rights_apply_from_the_next_request(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let tries = async |ann: &User| {
        let disabled = call(ann, "disable", bob.id).await;
        let (enabled, read) = (call(ann, "enable", bob.id).await, ann.get("/api/admin/reports").await);
        [disabled, enabled, read].map(|reply| if reply.status < 300 { 200 } else { reply.is(403).status })
    };
    assert_eq!(tries(&ann).await, [403; 3]);
    let ann = hub.promote(&ann).await;
    assert_eq!(tries(&ann).await, [200; 3]);
    let ann = hub.demote(&ann).await;
    assert_eq!(tries(&ann).await, [403; 3]);
    let detail = call(&ann, "disable", 999_999).await.refused(403, "forbidden");
    assert_eq!(
        detail, "only administrators may do this",
        "users who are not administrators cannot see which accounts exist"
    );
    hub.visitor().call("POST", &format!("/api/admin/users/{}/disable", bob.id)).await.refused(401, "unauthenticated");
    ann.get(&format!("/api/admin/users/{}/disable", bob.id)).await.refused(405, "invalid");
    bob.log_in_again().await.connect().await.answers().await;
}

both_databases!(an_administrator_may_disable_anyone_but_themselves);
async fn an_administrator_may_disable_anyone_but_themselves(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let ann = hub.promote(&ann).await;
    let bob = hub.promote(&bob).await;
    for what in ["disable", "enable"] {
        call(&ann, what, 999_999).await.refused(404, "not_found");
        for bad in ["0", "-1", "x", "9007199254740992"] {
            ann.call("POST", &format!("/api/admin/users/{bad}/{what}")).await.refused(400, "invalid");
        }
    }
    let detail = call(&ann, "disable", ann.id).await.refused(400, "invalid");
    assert!(detail.contains("own account"), "{detail}");
    enable(&ann, &ann).await;
    ann.get("/api/admin/reports").await.is(200);
    disable(&ann, &bob).await;
    bob.get("/api/admin/reports").await.refused(401, "unauthenticated");
    enable(&ann, &bob).await;
    bob.log_in_again().await.get("/api/admin/reports").await.is(200);
}

both_databases!(a_disabled_account_is_refused_everywhere_until_enabled);
async fn a_disabled_account_is_refused_everywhere_until_enabled(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let eve = hub.promote(&eve).await;
    let (laptop, token) = (bob.log_in_again().await, bob.by_token().await);
    let mut sockets = [bob.connect().await, bob.connect().await, laptop.connect().await, token.connect().await];
    let mut other = ann.connect().await;
    let wrong = log_in(hub, &bob, "wrong horse battery").await;
    // Repeating it is harmless.
    for _ in 0..2 {
        disable(&eve, &bob).await;
        for way_in in [&bob, &laptop, &token] {
            let detail = way_in.get("/api/auth/me").await.refused(401, "unauthenticated");
            assert_eq!(way_in.handshake().await.refused(401, "unauthenticated"), detail);
            let message = json!({"recipient_id": ann.id, "content": "x"});
            assert_eq!(way_in.post("/api/messages", message).await.refused(401, "unauthenticated"), detail);
            way_in.post("/api/auth/token", json!({})).await.refused(401, "unauthenticated");
        }
        let detail = log_in(hub, &bob, PASSWORD).await.refused(403, "forbidden");
        assert_eq!(detail, "this account is disabled");
        let guessed = log_in(hub, &bob, "wrong horse battery").await;
        assert_eq!(
            (guessed.status, guessed.body),
            (wrong.status, wrong.body.clone()),
            "a wrong password does not reveal the state"
        );
    }
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, Some(4503));
    }
    other.answers().await;
    assert_eq!(ann.get("/api/users?q=bob").await.ok()["users"], json!([]));
    for _ in 0..2 {
        enable(&eve, &bob).await;
        for ended in [&bob, &laptop, &token] {
            ended.get("/api/auth/me").await.refused(401, "unauthenticated");
        }
        let back = bob.log_in_again().await;
        back.connect().await.answers().await;
        back.by_token().await.connect().await.answers().await;
    }
    assert_eq!(ann.get("/api/users?q=bob").await.ok()["users"][0]["id"], bob.id);
}

both_databases!(an_administrator_lists_and_ends_connections_of_a_user);
async fn an_administrator_lists_and_ends_connections_of_a_user(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let eve = hub.promote(&eve).await;
    let path = |id: i64| format!("/api/admin/users/{id}/connections");
    let of_bob = async || eve.get(&path(bob.id)).await.is(200).ok();
    assert_eq!(of_bob().await, json!({"is_connected": false, "connections": 0}));
    let (phone, token) = (bob.log_in_again().await, bob.by_token().await);
    let mut sockets = [bob.connect().await, phone.connect().await, token.connect().await];
    let mut other = ann.connect().await;
    assert_eq!(of_bob().await, json!({"is_connected": true, "connections": 3}));
    // Repeating it is harmless.
    for _ in 0..2 {
        eve.delete(&path(bob.id)).await.is(204);
        for ended in [&bob, &phone, &token] {
            ended.get("/api/auth/me").await.refused(401, "unauthenticated");
            ended.handshake().await.refused(401, "unauthenticated");
        }
    }
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, Some(4501));
    }
    assert_eq!(of_bob().await, json!({"is_connected": false, "connections": 0}));
    other.answers().await;
    bob.log_in_again().await.connect().await.answers().await;
    for method in ["GET", "DELETE"] {
        eve.call(method, &path(999_999)).await.refused(404, "not_found");
        eve.call(method, &path(0)).await.refused(400, "invalid");
        let detail = ann.call(method, &path(999_999)).await.refused(403, "forbidden");
        assert_eq!(
            detail, "only administrators may do this",
            "users who are not administrators cannot see which accounts exist"
        );
    }
}

both_databases!(a_reenabled_user_finds_the_messages_sent_meanwhile);
async fn a_reenabled_user_finds_the_messages_sent_meanwhile(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let eve = hub.promote(&eve).await;
    let id = ann.gets_to_know(&bob).await;
    disable(&eve, &bob).await;
    ann.send_rest(&bob, "are you there?").await;
    let group = Group::of(&ann, &[&bob, &eve]).await;
    group.says(&ann, "welcome").await;
    enable(&eve, &bob).await;
    let back = bob.log_in_again().await;
    assert_eq!(back.contents(id).await, ["hello", "hello", "are you there?"]);
    assert_eq!(back.contents(group.id).await, ["welcome"]);
    assert_eq!(back.get("/api/unread").await.ok()["total_unread"], 3);
}

both_databases!(a_disabled_user_goes_offline_and_stops_typing, PRESENCE_GRACE = "0s", TYPING_TIMEOUT = "1m");
async fn a_disabled_user_goes_offline_and_stops_typing(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let eve = hub.promote(&eve).await;
    ann.gets_to_know(&bob).await;
    let mut socket = ann.connect().await;
    let mut typist = bob.connect().await;
    assert!(socket.presence_of(&bob).await);
    typist.types(&ann, true).await;
    disable(&eve, &bob).await;
    for is_typing in [true, false] {
        assert_eq!(socket.expect("typing_indicator").await["is_typing"], is_typing);
    }
    assert!(!socket.presence_of(&bob).await);
    assert_eq!(typist.closed().await, Some(4503));
}
