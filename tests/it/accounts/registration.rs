//! Accounts and logins: who may register, how a login authenticates, and when it ends.

use crate::harness::{PASSWORD, Reply, TestHub, any_database, both_databases, eventually};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

both_databases!(a_registered_user_is_logged_in_and_found_by_name);
async fn a_registered_user_is_logged_in_and_found_by_name(hub: &mut TestHub) {
    let form =
        json!({"username": "Ann.B", "password": PASSWORD, "display_name": "Ann Ünal 😀", "email": "ann@example.org"});
    let reply = hub.visitor().post("/api/auth/register", form).await.is(201);
    let (cookie, _) = reply.cookie();
    let user = reply.ok()["user"].clone();
    let expected = json!({"id": user["id"], "username": "Ann.B", "display_name": "Ann Ünal 😀",
                          "created_at": user["created_at"], "email": "ann@example.org"});
    assert_eq!(user, expected);
    let ann = hub.visitor().with("cookie", &cookie);
    assert_eq!(ann.get("/api/auth/me").await.ok()["user"], expected);
    let [bob] = hub.users(["bob"]).await;
    let seen = bob.get(&format!("/api/users/{}", user["id"])).await.ok()["user"].clone();
    assert_eq!((&seen["username"], seen.get("email")), (&json!("Ann.B"), None), "others do not see the address");
    assert_eq!(bob.get("/api/auth/me").await.ok()["user"]["display_name"], "bob", "the username, where none is given");
}

both_databases!(a_taken_username_is_refused_in_any_letter_case);
async fn a_taken_username_is_refused_in_any_letter_case(hub: &mut TestHub) {
    hub.users(["ann"]).await;
    for name in ["ann", "Ann", "ANN"] {
        let form = json!({"username": name, "password": PASSWORD});
        hub.visitor().post("/api/auth/register", form).await.refused(409, "username_taken");
    }
    assert_eq!(hub.database.count("users"), 1);
    let credentials = json!({"username": "aNN", "password": PASSWORD});
    hub.visitor().post("/api/auth/login", credentials).await.is(200);
}

both_databases!(only_one_of_many_concurrent_registrations_gets_a_name);
async fn only_one_of_many_concurrent_registrations_gets_a_name(hub: &mut TestHub) {
    let visitor = hub.visitor();
    let register = |name: &'static str| {
        let visitor = visitor.clone();
        async move { visitor.post("/api/auth/register", json!({"username": name, "password": PASSWORD})).await.status }
    };
    let statuses = tokio::join!(register("ann"), register("ANN"), register("Ann"), register("aNn"));
    let mut statuses = [statuses.0, statuses.1, statuses.2, statuses.3];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
}

any_database!(an_invalid_form_is_refused_and_its_field_named);
async fn an_invalid_form_is_refused_and_its_field_named(hub: &mut TestHub) {
    for (key, values) in [
        (
            "username",
            vec![json!("an"), json!("a".repeat(33)), json!("a b"), json!("änn"), json!(""), json!(7), json!(null)],
        ),
        ("password", vec![json!("1234567"), json!("x".repeat(257)), json!(12_345_678), json!(null)]),
        ("display_name", vec![json!(""), json!(" "), json!("a\u{7}b"), json!("x".repeat(65)), json!(1)]),
        ("email", vec![json!("nobody"), json!("a@b c"), json!(format!("{}@b", "a".repeat(254))), json!([])]),
    ] {
        for value in values {
            let mut form = json!({"username": "ann", "password": PASSWORD});
            form[key] = value.clone();
            let detail = hub.visitor().post("/api/auth/register", form).await.refused(400, "invalid");
            assert!(detail.starts_with(key), "{key} {value}: {detail}");
            assert!(!detail.contains("1234567"), "a password is not repeated: {detail}");
        }
    }
    let missing = hub.visitor().post("/api/auth/register", json!({"password": PASSWORD})).await.refused(400, "invalid");
    assert_eq!(missing, "username is missing");
    assert_eq!(hub.database.count("users"), 0);
}

both_databases!(au_3_a_wrong_password_and_an_unknown_name_answer_the_same);
async fn au_3_a_wrong_password_and_an_unknown_name_answer_the_same(hub: &mut TestHub) {
    hub.users(["ann"]).await;
    let log_in = async |name: &str, password: &str| {
        hub.visitor().post("/api/auth/login", json!({"username": name, "password": password})).await
    };
    let names = |reply: &Reply| reply.headers.keys().map(ToString::to_string).collect::<BTreeSet<_>>();
    let wrong = log_in("ann", "wrong horse battery").await;
    for (name, password) in [("nobody", PASSWORD), ("", PASSWORD), ("ann", ""), ("an\0n", PASSWORD), ("%", PASSWORD)] {
        let reply = log_in(name, password).await;
        assert_eq!((reply.status, &reply.body), (wrong.status, &wrong.body), "{name:?}");
        assert_eq!(names(&reply), names(&wrong));
    }
    assert_eq!(wrong.header("set-cookie"), None);
    wrong.refused(401, "bad_credentials");
}

both_databases!(closed_registration_refuses_new_accounts);
async fn closed_registration_refuses_new_accounts(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    hub.set("REGISTRATION", "closed");
    hub.restart();
    let form = json!({"username": "bob", "password": PASSWORD});
    hub.visitor().post("/api/auth/register", form).await.refused(403, "forbidden");
    assert_eq!(hub.database.count("users"), 1);
    ann.log_in_again().await.get("/api/auth/me").await.is(200);
}

any_database!(au_5_over_http_the_cookie_is_called_switchboard, LOGIN_LIFETIME = "1h");
async fn au_5_over_http_the_cookie_is_called_switchboard(hub: &mut TestHub) {
    let form = json!({"username": "ann", "password": PASSWORD});
    for call in ["/api/auth/register", "/api/auth/login"] {
        let (cookie, mut attributes) = hub.visitor().post(call, form.clone()).await.cookie();
        attributes.sort_unstable();
        assert!(cookie.starts_with("switchboard="), "{cookie}");
        assert_eq!(attributes, ["HttpOnly", "Max-Age=3600", "Path=/", "SameSite=Lax"]);
    }
}

any_database!(au_5_over_https_the_cookie_belongs_to_this_host_alone, PUBLIC_URL = "https://chat.example.org");
async fn au_5_over_https_the_cookie_belongs_to_this_host_alone(hub: &mut TestHub) {
    let visitor = hub.visitor();
    let form = json!({"username": "ann", "password": PASSWORD});
    let (cookie, mut attributes) = visitor.post("/api/auth/register", form).await.is(201).cookie();
    attributes.sort_unstable();
    assert!(cookie.starts_with("__Host-switchboard="), "{cookie}");
    assert_eq!(attributes, ["HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=Lax", "Secure"]);
    visitor.with("cookie", &cookie).get("/api/auth/me").await.is(200);
    let renamed = cookie.replace("__Host-switchboard", "switchboard");
    visitor.with("cookie", &renamed).get("/api/auth/me").await.refused(401, "unauthenticated");
    let page = visitor.with("cookie", &cookie).with("origin", "https://chat.example.org");
    page.post("/api/auth/token", json!({})).await.is(200);
}

both_databases!(au_4_each_login_has_a_new_token_that_clients_cannot_choose);
async fn au_4_each_login_has_a_new_token_that_clients_cannot_choose(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let credentials = json!({"username": "ann", "password": PASSWORD});
    for planted in ["switchboard=planted", ann.cookie()] {
        let reply = hub.visitor().with("cookie", planted).post("/api/auth/login", credentials.clone()).await.is(200);
        let (cookie, _) = reply.cookie();
        assert_ne!(cookie, planted);
        assert!(cookie.len() >= "switchboard=".len() + 43, "256 bits: {cookie}");
    }
    hub.visitor().with("cookie", "switchboard=planted").get("/api/auth/me").await.refused(401, "unauthenticated");
}

both_databases!(au_7_logout_ends_only_that_login_and_its_sockets);
async fn au_7_logout_ends_only_that_login_and_its_sockets(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let laptop = ann.log_in_again().await;
    let (mut one, mut two, mut by_token) =
        (ann.connect().await, ann.connect().await, ann.by_token().await.connect().await);
    let (mut other_login, mut other_user) = (laptop.connect().await, bob.connect().await);
    let token = ann.by_token().await;
    let reply = ann.post("/api/auth/logout", json!({})).await.is(204);
    let (emptied, attributes) = reply.cookie();
    assert_eq!(emptied, "switchboard=");
    assert!(attributes.contains(&"Max-Age=0".to_owned()), "the browser forgets it: {attributes:?}");
    for socket in [&mut one, &mut two, &mut by_token] {
        assert_eq!(socket.closed().await, Some(4501));
    }
    for ended in [&ann, &token] {
        ended.get("/api/auth/me").await.refused(401, "unauthenticated");
        ended.handshake().await.refused(401, "unauthenticated");
        ended
            .post("/api/messages", json!({"recipient_id": bob.id, "content": "x"}))
            .await
            .refused(401, "unauthenticated");
        ended.post("/api/auth/token", json!({})).await.refused(401, "unauthenticated");
    }
    laptop.get("/api/auth/me").await.is(200);
    other_login.answers().await;
    other_user.answers().await;
    assert_eq!(hub.database.count("logins"), 2);
}

both_databases!(a_socket_receives_nothing_after_its_login_ends);
async fn a_socket_receives_nothing_after_its_login_ends(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut socket = ann.connect().await;
    bob.send_rest(&ann, "before").await;
    ann.post("/api/auth/logout", json!({})).await.is(204);
    bob.send_rest(&ann, "after").await;
    assert_eq!(socket.expect("private_message").await["message"]["content"], "before");
    assert_eq!(socket.closed().await, Some(4501));
    assert_eq!(socket.left_behind(), ["conversation_update"], "no later frame is delivered");
}

both_databases!(au_4_the_database_holds_only_token_and_password_hashes);
async fn au_4_the_database_holds_only_token_and_password_hashes(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let (_, token) = ann.cookie().split_once('=').unwrap();
    assert!(hub.database.holds(b"ann"), "stored text is found");
    assert!(hub.database.holds(&Sha256::digest(token)));
    assert!(hub.database.holds(b"$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(!hub.database.holds(token.as_bytes()));
    assert!(!hub.database.holds(PASSWORD.as_bytes()));
}

both_databases!(an_access_token_works_over_rest_and_socket);
async fn an_access_token_works_over_rest_and_socket(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let answer = ann.post("/api/auth/token", json!({})).await.ok();
    assert_eq!(answer["token_type"], "Bearer");
    assert!(answer["expires_at"].as_str().unwrap().ends_with("00Z"), "whole seconds: {answer}");
    let backend = ann.by_token().await;
    assert_eq!(backend.get("/api/auth/me").await.ok()["user"]["id"], ann.id);
    backend.send_rest(&bob, "over REST").await;
    let mut socket = backend.connect().await;
    assert_eq!(socket.send(&bob, "over the socket").await["seq"], 2);
}

any_database!(invalid_credentials_are_refused_with_the_reason);
async fn invalid_credentials_are_refused_with_the_reason(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let token = ann.post("/api/auth/token", json!({})).await.ok()["access_token"].as_str().unwrap().to_owned();
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{rest}.{}", signature.chars().rev().collect::<String>());
    let visitor = hub.visitor();
    for (who, why) in [
        (visitor.clone(), "credentials"),
        (visitor.with("cookie", "other=1"), "credentials"),
        (visitor.with("authorization", "Basic YW5uOng="), "credentials"),
        (visitor.with("cookie", "switchboard=nonsense"), "sign-in session has ended"),
        (visitor.with_token("nonsense"), "token invalid"),
        (visitor.with_token(&forged), "token invalid"),
        (visitor.with_token(""), ""),
        (ann.with("authorization", "Bearer nonsense"), "token invalid"),
    ] {
        let reply = who.get("/api/auth/me").await;
        assert!(reply.header("www-authenticate").is_some(), "{reply:?}");
        let detail = reply.refused(401, "unauthenticated");
        assert!(detail.contains(why), "{detail}");
        assert_eq!(who.handshake().await.refused(401, "unauthenticated"), detail);
    }
}

both_databases!(a_login_stays_valid_while_it_is_used, LOGIN_LIFETIME = "1h");
async fn a_login_stays_valid_while_it_is_used(hub: &mut TestHub) {
    const NOON: i64 = 1_769_860_800_000;
    const MINUTE: i64 = 60_000;
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON));
    hub.restart_at(&clock);
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    for minutes in [59, 118] {
        let now = NOON + minutes * MINUTE;
        clock.set(Timestamp::from_millis(now));
        let reply = ann.get("/api/auth/me").await.is(200);
        let (cookie, attributes) = reply.cookie();
        assert_eq!(cookie, ann.cookie());
        assert!(attributes.contains(&"Max-Age=3600".to_owned()), "the browser keeps it as long: {attributes:?}");
        // The row is written in the background; the request does not wait for it.
        let used = format!("logins WHERE last_used_at = {now}");
        eventually("the use is written down", async || hub.database.count(&used) == 1).await;
    }
    bob.get("/api/auth/me").await.refused(401, "unauthenticated");
    clock.set(Timestamp::from_millis(NOON + 179 * MINUTE));
    ann.get("/api/auth/me").await.refused(401, "unauthenticated");
    ann.handshake().await.refused(401, "unauthenticated");
}

both_databases!(a_slow_body_is_refused_after_its_sender_logged_out);
async fn a_slow_body_is_refused_after_its_sender_logged_out(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let body = json!({"recipient_id": bob.id, "content": "late"}).to_string();
    let address = ann.address();
    let head = format!(
        "POST /api/messages HTTP/1.1\r\nHost: {address}\r\nCookie: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        ann.cookie(),
        body.len()
    );
    let mut request = TcpStream::connect(address).await.unwrap();
    request.write_all(head.as_bytes()).await.unwrap();
    // The hub has nearly always read the bytes that were sent before this call.
    ann.post("/api/auth/logout", json!({})).await.is(204);
    request.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // If not, the hub did not wait for the body, and its answer ends with a reset.
    let _ = request.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(hub.database.count("messages"), 0);
}
