//! Devices: listing the logins of an account, revoking a login from another device, and the
//! lifetime of a login that only a socket uses.

use crate::harness::{TestHub, User, both_databases, eventually};
use serde_json::{Value, json};
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;

const NOON: i64 = 1_769_860_800_000;
const MINUTE: i64 = 60_000;

async fn sessions(user: &User) -> Vec<Value> {
    user.get("/api/auth/sessions").await.ok()["sessions"].as_array().unwrap().clone()
}

/// The id of the login that sends the request.
async fn current(user: &User) -> i64 {
    let sessions = sessions(user).await;
    let mut current = sessions.iter().filter(|session| session["current"] == true);
    let id = current.next().unwrap()["id"].as_i64().unwrap();
    assert!(current.next().is_none(), "one of them asks: {sessions:?}");
    id
}

fn session(id: i64) -> String {
    format!("/api/auth/sessions/{id}")
}

/// The same user, logged in on a device with this name.
async fn on_device(user: &User, agent: &str) -> User {
    user.with_header("user-agent", agent).log_in_again().await
}

both_databases!(a_user_sees_their_own_devices_and_the_current_one, TRUSTED_PROXIES = "127.0.0.1/32");
async fn a_user_sees_their_own_devices_and_the_current_one(hub: &mut TestHub) {
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON));
    hub.restart_at(&clock);
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    clock.set(Timestamp::from_millis(NOON + MINUTE));
    let phone = on_device(&ann.behind("192.0.2.7"), &format!("Phöne/1\t{}", "x".repeat(300))).await;
    let (mine, theirs) = (sessions(&ann).await, sessions(&phone).await);
    let (first, second) = (current(&ann).await, current(&phone).await);
    let expected = json!([
        {"id": second, "created_at": "2026-01-31T12:01:00.000Z", "last_used_at": "2026-01-31T12:01:00.000Z",
         "user_agent": format!("Phöne/1{}", "x".repeat(249)), "ip": "192.0.2.7", "current": false},
        {"id": first, "created_at": "2026-01-31T12:00:00.000Z", "last_used_at": "2026-01-31T12:00:00.000Z",
         "user_agent": null, "ip": "127.0.0.1", "current": true},
    ]);
    assert_eq!(json!(mine), expected, "the last used first");
    for (mine, theirs) in mine.iter().zip(&theirs) {
        assert_ne!(mine["current"], theirs["current"]);
        assert_eq!((&mine["id"], &mine["ip"]), (&theirs["id"], &theirs["ip"]));
    }
    assert_eq!(sessions(&bob).await.len(), 1);
    hub.visitor().get("/api/auth/sessions").await.refused(401, "unauthenticated");
    // Logins that are no longer valid are not listed.
    clock.set(Timestamp::from_millis(NOON + 14 * 24 * 60 * MINUTE));
    assert_eq!(current(&phone).await, second);
    assert_eq!(sessions(&phone).await.len(), 1);
}

both_databases!(ending_a_login_from_another_device_works_like_logout);
async fn ending_a_login_from_another_device_works_like_logout(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let phone = ann.log_in_again().await;
    let token = phone.by_token().await;
    assert_eq!(sessions(&token).await, sessions(&phone).await, "a token is of the login that got it");
    let (mut one, mut two) = (phone.connect().await, token.connect().await);
    let (mut own, mut other) = (ann.connect().await, bob.connect().await);
    let reply = ann.delete(&session(current(&phone).await)).await.is(204);
    assert_eq!(reply.header("set-cookie"), None, "the caller has another cookie");
    for socket in [&mut one, &mut two] {
        assert_eq!(socket.closed().await, Some(4501));
    }
    for ended in [&phone, &token] {
        ended.get("/api/auth/sessions").await.refused(401, "unauthenticated");
        ended.handshake().await.refused(401, "unauthenticated");
    }
    own.answers().await;
    other.answers().await;
    let reply = ann.delete(&session(current(&ann).await)).await.is(204);
    assert_eq!(reply.cookie().0, "switchboard=", "its own: the browser forgets it");
    assert_eq!(own.closed().await, Some(4501));
    ann.get("/api/auth/me").await.refused(401, "unauthenticated");
    assert_eq!(hub.database.count("logins"), 1);
}

both_databases!(a_user_cannot_end_or_detect_a_login_of_another);
async fn a_user_cannot_end_or_detect_a_login_of_another(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let theirs = ann.delete(&session(current(&bob).await)).await;
    let missing = ann.delete(&session(999_999)).await;
    assert_eq!((theirs.status, &theirs.body), (missing.status, &missing.body));
    theirs.refused(404, "not_found");
    let gone = current(&ann.log_in_again().await).await;
    ann.delete(&session(gone)).await.is(204);
    assert_eq!(ann.delete(&session(gone)).await.body, missing.body, "nor twice");
    for bad in ["0", "-1", "x", "9007199254740992"] {
        ann.delete(&format!("/api/auth/sessions/{bad}")).await.refused(400, "invalid");
    }
    bob.connect().await.answers().await;
    assert_eq!(hub.database.count("logins"), 2);
}

/// Maximum number of logins for each user.
const MOST: usize = 100;

both_databases!(a_login_over_the_limit_ends_the_least_recently_used_one);
async fn a_login_over_the_limit_ends_the_least_recently_used_one(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let oldest = ann.log_in_again().await;
    // Simulates that other logins were made meanwhile and this one was used again.
    hub.database.execute(&format!(
        "INSERT INTO logins (user_id, token_hash, created_at, last_used_at)
         WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {more})
         SELECT {id}, CAST(CAST(n AS TEXT) AS BYTEA), last_used_at + 1, last_used_at + 1 FROM number, logins WHERE id = {last};
         UPDATE logins SET last_used_at = last_used_at + 60000 WHERE id = {kept}",
        more = MOST - 2,
        id = ann.id,
        last = current(&oldest).await,
        kept = current(&ann).await,
    ));
    let mut socket = oldest.connect().await;
    assert_eq!(sessions(&ann).await.len(), MOST);
    let newest = ann.log_in_again().await;
    assert_eq!(socket.closed().await, Some(4501));
    oldest.get("/api/auth/me").await.refused(401, "unauthenticated");
    assert_eq!(sessions(&newest).await.len(), MOST);
    ann.connect().await.answers().await;
    bob.connect().await.answers().await;
}

both_databases!(a_login_stays_valid_while_its_socket_is_open, LOGIN_LIFETIME = "1h");
async fn a_login_stays_valid_while_its_socket_is_open(hub: &mut TestHub) {
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON));
    hub.restart_at(&clock);
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut socket = ann.connect().await;
    for minutes in [15, 50, 100] {
        let now = NOON + minutes * MINUTE;
        clock.set(Timestamp::from_millis(now));
        let used = format!("logins WHERE last_used_at = {now}");
        eventually("the use is written down", async || hub.database.count(&used) == 1).await;
    }
    socket.answers().await;
    ann.connect().await.answers().await;
    bob.handshake().await.refused(401, "unauthenticated");
    socket.close().await;
    hub.wait_for_connections(0).await;
    // The login is no longer used.
    clock.set(Timestamp::from_millis(NOON + 161 * MINUTE));
    ann.get("/api/auth/me").await.refused(401, "unauthenticated");
}
