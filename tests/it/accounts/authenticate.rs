//! Sockets that authenticate with their first frame, and sockets that close when the token that
//! opened them expires.

use crate::harness::{Socket, TestHub, User, any_database, both_databases, eventually};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;

const BY_MESSAGE: &str = "/ws?auth=message";
const SECRET: &str = "Zk3vT9qLw1xR7bNs5mYc8hJd2fGp4aUe";
const NOON: i64 = 1_769_860_800_000;

async fn open(user: &User) -> Socket {
    Socket::open_at(&user.without_credentials(), BY_MESSAGE).await
}

async fn token(user: &User) -> String {
    user.post("/api/auth/token", json!({})).await.ok()["access_token"].as_str().unwrap().to_owned()
}

fn authenticate(token: &str) -> Value {
    json!({"type": "authenticate", "token": token})
}

/// An access token as the hub would sign it for this login, expiring this long after noon.
async fn short_token(user: &User, seconds: i64) -> String {
    let long = token(user).await;
    let mut claims: Value = jsonwebtoken::dangerous::insecure_decode(&long).unwrap().claims;
    claims["exp"] = json!(NOON / 1000 + seconds);
    let header = Header { typ: Some("at+jwt".into()), ..Header::new(Algorithm::HS256) };
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

both_databases!(a_socket_that_authenticates_works_like_any_other);
async fn a_socket_that_authenticates_works_like_any_other(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut socket = open(&ann).await;
    assert_eq!(hub.connections().await, 0, "an unauthenticated socket is not a connection");
    let issued = ann.post("/api/auth/token", json!({})).await.ok();
    let mut frame = authenticate(issued["access_token"].as_str().unwrap());
    frame["ref"] = json!("a");
    socket.frame(frame).await;
    let mut authenticated = socket.next().await;
    authenticated["timestamp"].take();
    let expected = json!({"type": "authenticated", "ref": "a", "timestamp": null, "user_id": ann.id, "username": "ann",
        "display_name": "ann", "email": null, "expires_at": issued["expires_at"]});
    assert_eq!(authenticated, expected);
    assert_eq!(socket.welcome().await.0["user_id"], ann.id);
    let mut others = bob.connect().await;
    assert_eq!(socket.send(&bob, "hello").await["sender_id"], ann.id);
    others.until_message("hello").await;
    assert_eq!(hub.connections().await, 2);
}

both_databases!(an_unauthenticated_socket_can_do_and_receive_nothing);
async fn an_unauthenticated_socket_can_do_and_receive_nothing(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    // A cookie that comes along does not count.
    let mut socket = Socket::open_at(&ann, BY_MESSAGE).await;
    bob.send_rest(&ann, "before").await;
    for frame in [
        json!({"type": "private_message", "recipient_id": bob.id, "content": "x"}),
        json!({"type": "sync", "conversations": {}}),
        json!({"type": "ping"}),
        json!({"type": "no_such_type"}),
    ] {
        let (code, why) = socket.refused(frame).await;
        assert_eq!((&*code, &*why), ("unauthenticated", "authenticate first"));
    }
    for (frame, why) in [
        (json!({"type": "authenticate"}), "token is missing"),
        (json!({"type": "authenticate", "token": 7}), "token must be a string"),
    ] {
        assert_eq!(socket.refused(frame).await, ("invalid".into(), why.into()));
    }
    socket.text("nonsense").await;
    assert_eq!(socket.expect("error").await["code"], "invalid");
    assert_eq!(socket.left_behind(), [""; 0], "no other frame was sent");
    socket.frame(authenticate(&token(&ann).await)).await;
    socket.expect("authenticated").await;
    socket.welcome().await;
}

any_database!(a_socket_that_does_not_authenticate_in_time_is_closed, AUTH_TIMEOUT = "5s");
async fn a_socket_that_does_not_authenticate_in_time_is_closed(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let token = token(&ann).await;
    let mut known = open(&ann).await;
    known.frame(authenticate(&token)).await;
    known.expect("authenticated").await;
    known.welcome().await;
    let mut busy = open(&ann).await;
    busy.refused(json!({"type": "ping"})).await;
    let mut silent = open(&ann).await;
    assert_eq!(silent.closed().await, Some(4508));
    assert_eq!(busy.closed().await, Some(4508));
    known.answers().await;
}

both_databases!(a_refused_token_closes_the_socket);
async fn a_refused_token_closes_the_socket(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let ended = token(&ann).await;
    ann.post("/api/auth/logout", json!({})).await.is(204);
    for (token, why) in
        [(&*ended, "the sign-in session has ended: log in again"), ("nonsense", "token invalid"), ("", "token invalid")]
    {
        let mut socket = open(&ann).await;
        socket.frame(authenticate(token)).await;
        let refusal = socket.expect("auth_error").await;
        assert_eq!((&refusal["code"], &refusal["message"]), (&json!("unauthenticated"), &json!(why)));
        assert_eq!(socket.closed().await, Some(4501));
    }
    hub.visitor().handshake_at("/ws?auth=token").await.refused(400, "invalid");
    hub.visitor().with("origin", "https://evil.example").handshake_at(BY_MESSAGE).await.refused(403, "bad_origin");
}

any_database!(the_socket_limit_of_a_user_also_applies_to_authenticate, MAX_SOCKETS_PER_USER = "1");
async fn the_socket_limit_of_a_user_also_applies_to_authenticate(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let token = token(&ann).await;
    let (first, mut second) = (ann.connect().await, open(&ann).await);
    second.frame(authenticate(&token)).await;
    let refusal = second.expect("auth_error").await;
    assert_eq!(refusal["code"], "rate_limited");
    assert!(refusal["retry_in_ms"].is_number(), "{refusal}");
    first.close().await;
    eventually("a socket is free", async || {
        second.frame(authenticate(&token)).await;
        second.next().await["type"] == "authenticated"
    })
    .await;
    second.welcome().await;
    ann.handshake().await.refused(429, "rate_limited");
}

any_database!(an_address_has_a_limit_of_unauthenticated_sockets, AUTH_TIMEOUT = "1m");
async fn an_address_has_a_limit_of_unauthenticated_sockets(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut sockets = Vec::new();
    for _ in 0..64 {
        sockets.push(open(&ann).await);
    }
    hub.visitor().handshake_at(BY_MESSAGE).await.refused(429, "rate_limited");
    ann.connect().await.close().await;
    let mut known = sockets.pop().unwrap();
    known.frame(authenticate(&token(&ann).await)).await;
    known.expect("authenticated").await;
    known.welcome().await;
    sockets.push(open(&ann).await);
}

any_database!(a_stopping_hub_closes_unauthenticated_sockets_with_1012, AUTH_TIMEOUT = "5m", SHUTDOWN_GRACE = "1m");
async fn a_stopping_hub_closes_unauthenticated_sockets_with_1012(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut socket = open(&ann).await;
    assert_eq!(hub.stop_while(socket.closed()).await, Some(1012));
    hub.restart();
}

both_databases!(au_9_a_socket_ends_with_its_token, JWT_SECRET = super::SECRET, AUTH_TIMEOUT = "5s");
async fn au_9_a_socket_ends_with_its_token(hub: &mut TestHub) {
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON));
    hub.restart_at(&clock);
    let [ann] = hub.users(["ann"]).await;
    let token = short_token(&ann, 1).await;
    let by_header = ann.showing(&token);
    let mut sockets = vec![by_header.connect().await];
    let mut by_ticket = Socket::open_at(&ann.without_credentials(), &by_header.ticket().await).await;
    by_ticket.welcome().await;
    sockets.push(by_ticket);
    let mut by_frame = open(&ann).await;
    by_frame.frame(authenticate(&token)).await;
    by_frame.expect("authenticated").await;
    by_frame.welcome().await;
    sockets.push(by_frame);
    let mut by_cookie = ann.connect().await;
    // The hub checks its clock while this connection waits to be closed. The test's clock stands
    // still.
    assert_eq!(open(&ann).await.closed().await, Some(4508));
    clock.set(Timestamp::from_millis(NOON + 999));
    for socket in &mut sockets {
        socket.answers().await;
    }
    by_header.get("/api/auth/me").await.is(200);
    clock.set(Timestamp::from_millis(NOON + 1000));
    let ended = Instant::now();
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, Some(4501));
    }
    assert!(ended.elapsed() < Duration::from_secs(6), "five seconds after the end at most: {:?}", ended.elapsed());
    by_header.get("/api/auth/me").await.refused(401, "unauthenticated");
    by_cookie.answers().await;
}

both_databases!(au_9_a_token_lasts_15_minutes_and_is_ignored_in_a_url);
async fn au_9_a_token_lasts_15_minutes_and_is_ignored_in_a_url(hub: &mut TestHub) {
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON));
    hub.restart_at(&clock);
    let [ann] = hub.users(["ann"]).await;
    let (issued, stranger) = (ann.post("/api/auth/token", json!({})).await.ok(), hub.visitor());
    assert_eq!(issued["expires_at"], "2026-01-31T12:15:00.000Z");
    let (token, secret) = (issued["access_token"].as_str().unwrap(), ann.cookie().split_once('=').unwrap().1);
    let by_token = ann.showing(token);
    for (at, status) in [(899_999, 200), (900_000, 401), (0, 200)] {
        clock.set(Timestamp::from_millis(NOON + at));
        assert_eq!(by_token.get("/api/auth/me").await.status, status, "{at}");
    }
    for query in ["token", "access_token", "refresh_token", "ticket", "session", "authorization", "jwt"] {
        for proof in [token, secret, &format!("Bearer%20{token}")] {
            let query = format!("{query}={proof}");
            stranger.handshake_at(&format!("/ws?{query}")).await.refused(401, "unauthenticated");
            stranger.get(&format!("/api/auth/me?{query}")).await.refused(401, "unauthenticated");
            stranger.post(&format!("/api/auth/token?{query}"), json!({})).await.refused(401, "unauthenticated");
        }
    }
    stranger.handshake_at(&format!("/ws?auth={token}")).await.refused(400, "invalid");
}

both_databases!(au_9_a_renewed_socket_stays_open, JWT_SECRET = super::SECRET);
async fn au_9_a_renewed_socket_stays_open(hub: &mut TestHub) {
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON));
    hub.restart_at(&clock);
    let [ann] = hub.users(["ann"]).await;
    let mut socket = open(&ann).await;
    socket.frame(authenticate(&short_token(&ann, 2).await)).await;
    let first = socket.expect("authenticated").await["expires_at"].clone();
    socket.welcome().await;
    let issued = ann.post("/api/auth/token", json!({})).await.ok();
    // Sending the earlier token again does not shorten the session.
    for token in [issued["access_token"].as_str().unwrap(), &short_token(&ann, 2).await] {
        socket.frame(authenticate(token)).await;
        assert_eq!(socket.next().await["expires_at"], issued["expires_at"], "and no second welcome");
    }
    let mut other = open(&ann).await;
    other.frame(authenticate(&short_token(&ann, 2).await)).await;
    other.expect("authenticated").await;
    clock.set(Timestamp::from_millis(NOON + 2000));
    assert_eq!(other.closed().await, Some(4501), "the end of the first token is past");
    assert!(first.as_str() < issued["expires_at"].as_str());
    socket.answers().await;
}

both_databases!(a_socket_renewed_by_another_login_ends_with_that_login);
async fn a_socket_renewed_by_another_login_ends_with_that_login(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let again = ann.log_in_again().await;
    let mut socket = ann.connect().await;
    socket.frame(authenticate(&token(&again).await)).await;
    assert!(socket.expect("authenticated").await["expires_at"].is_string());
    ann.post("/api/auth/logout", json!({})).await.is(204);
    socket.answers().await;
    again.post("/api/auth/logout", json!({})).await.is(204);
    assert_eq!(socket.closed().await, Some(4501));
}

both_databases!(a_socket_cannot_switch_to_another_user);
async fn a_socket_cannot_switch_to_another_user(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut by_cookie = ann.connect().await;
    by_cookie.frame(authenticate(&token(&ann).await)).await;
    assert_eq!(by_cookie.expect("authenticated").await["expires_at"], json!(null), "a cookie is good for longer");
    let mut by_frame = open(&ann).await;
    by_frame.frame(authenticate(&token(&ann).await)).await;
    by_frame.expect("authenticated").await;
    by_frame.welcome().await;
    for mut socket in [by_cookie, by_frame] {
        socket.frame(authenticate(&token(&bob).await)).await;
        assert_eq!(socket.expect("auth_error").await["code"], "unauthenticated");
        assert_eq!(socket.closed().await, Some(4501));
    }
}
