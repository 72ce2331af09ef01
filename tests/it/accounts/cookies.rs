//! The login cookie: its name, its earlier name, and the login that a browser already had when it
//! logs in again.

use crate::harness::{Client, PASSWORD, Reply, TestHub, any_database, both_databases, register};
use serde_json::{Value, json};

/// The cookies that the answer sets (a value) or deletes (none), by name.
fn kept(reply: &Reply) -> Vec<(String, Option<String>)> {
    let mut kept: Vec<_> = reply
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|line| {
            let line = line.to_str().unwrap();
            let (pair, attributes) = line.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(attributes.contains("HttpOnly") && attributes.contains("Path=/"), "{line}");
            assert_eq!(attributes.contains("Secure"), name.starts_with("__Host-"), "{line}");
            (name.to_owned(), Some(value.to_owned()).filter(|_| !attributes.contains("Max-Age=0")))
        })
        .collect();
    kept.sort();
    kept
}

fn forgotten(name: &str) -> (String, Option<String>) {
    (name.to_owned(), None)
}

fn set(name: &str, value: &str) -> (String, Option<String>) {
    (name.to_owned(), Some(value.to_owned()))
}

/// The secret in a cookie.
fn secret(cookie: &str) -> &str {
    cookie.split_once('=').unwrap().1
}

async fn log_in(browser: &Client, name: &str) -> Reply {
    browser.post("/api/auth/login", json!({"username": name, "password": PASSWORD})).await
}

/// The username that the cookies authenticate.
async fn who(browser: &Client) -> Value {
    browser.get("/api/auth/me").await.ok()["user"]["username"].clone()
}

/// The cookies that Flask and Flask-Session set.
const OF_ANOTHER_PROGRAM: [&str; 2] =
    ["eyJ1c2VyIjo0Mn0.Zk3vT9.qLw1xR7bNs5mYc8hJd2fGp4aUe", "Zk3vT9qLw1xR7bNs5mYc8hJd2fGp4aUeZk3vT9qLw1x"];

any_database!(the_session_cookie_of_another_program_is_left_alone);
async fn the_session_cookie_of_another_program_is_left_alone(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for theirs in OF_ANOTHER_PROGRAM {
        let browser = hub.visitor().with("cookie", &format!("session={theirs}"));
        browser.get("/api/auth/me").await.refused(401, "unauthenticated");
        let reply = log_in(&browser, "ann").await.is(200);
        let (cookie, _) = reply.cookie();
        assert_eq!(kept(&reply), [set("switchboard", secret(&cookie))]);
        let both = ann.with("cookie", &format!("session={theirs}; {cookie}"));
        assert_eq!(kept(&both.get("/api/auth/me").await.is(200)), [set("switchboard", secret(&cookie))]);
        assert_eq!(kept(&both.post("/api/auth/logout", json!({})).await.is(204)), [forgotten("switchboard")]);
    }
}

both_databases!(the_cookie_of_version_0_1_is_accepted_and_replaced);
async fn the_cookie_of_version_0_1_is_accepted_and_replaced(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let secret_of_ann = secret(ann.cookie()).to_owned();
    let old = ann.with("cookie", &format!("session={secret_of_ann}"));
    old.handshake().await.is(101);
    let reply = old.get("/api/auth/me").await.is(200);
    assert_eq!(kept(&reply), [forgotten("session"), set("switchboard", &secret_of_ann)]);
    ann.get("/api/auth/me").await.is(200);
    let body = json!({"current_password": PASSWORD, "new_password": "another horse battery"});
    let changed = kept(&old.post("/api/auth/password", body).await.is(204));
    assert_eq!(changed[0], forgotten("session"));
    let (name, value) = &changed[1];
    let current = format!("{name}={}", value.as_deref().unwrap());
    assert_eq!(who(&ann.with("cookie", &current)).await, "ann");
    old.get("/api/auth/me").await.refused(401, "unauthenticated");
    let old = ann.with("cookie", &current.replace("switchboard", "session"));
    let ended = old.post("/api/auth/logout", json!({})).await.is(204);
    assert_eq!(kept(&ended), [forgotten("session"), forgotten("switchboard")]);
    assert_eq!(hub.database.count("logins"), 0);
}

any_database!(both_cookie_names_are_host_only_over_https, PUBLIC_URL = "https://chat.example.org");
async fn both_cookie_names_are_host_only_over_https(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let own = secret(ann.cookie()).to_owned();
    let reply = ann.with("cookie", &format!("__Host-session={own}")).get("/api/auth/me").await.is(200);
    assert_eq!(kept(&reply), [forgotten("__Host-session"), set("__Host-switchboard", &own)]);
    for name in ["session", "switchboard"] {
        ann.with("cookie", &format!("{name}={own}")).get("/api/auth/me").await.refused(401, "unauthenticated");
    }
}

both_databases!(the_new_cookie_name_takes_precedence_over_the_old);
async fn the_new_cookie_name_takes_precedence_over_the_old(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (new, old) = (ann.cookie(), format!("session={}", secret(bob.cookie())));
    for both in [format!("{new}; {old}"), format!("{old}; {new}")] {
        let browser = hub.visitor().with("cookie", &both);
        assert_eq!(who(&browser).await, "ann");
        assert_eq!(kept(&browser.get("/api/auth/me").await), [set("switchboard", secret(new))]);
    }
    let stale = hub.visitor().with("cookie", &format!("switchboard=stale; {old}"));
    stale.get("/api/auth/me").await.refused(401, "unauthenticated");
}

both_databases!(logging_out_ends_the_logins_of_both_cookies);
async fn logging_out_ends_the_logins_of_both_cookies(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut one, mut two) = (ann.connect().await, bob.connect().await);
    let both = ann.with("cookie", &format!("session={}; {}", secret(bob.cookie()), ann.cookie()));
    let reply = both.post("/api/auth/logout", json!({})).await.is(204);
    assert_eq!(kept(&reply), [forgotten("session"), forgotten("switchboard")]);
    assert_eq!((one.closed().await, two.closed().await), (Some(4501), Some(4501)));
    for ended in [&ann, &bob] {
        ended.get("/api/auth/me").await.refused(401, "unauthenticated");
    }
}

both_databases!(logging_in_again_ends_the_earlier_login_of_that_browser);
async fn logging_in_again_ends_the_earlier_login_of_that_browser(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let phone = ann.log_in_again().await;
    let (mut tab, mut other) = (ann.connect().await, phone.connect().await);
    let wrong = json!({"username": "ann", "password": "a wrong guess"});
    ann.post("/api/auth/login", wrong).await.refused(401, "bad_credentials");
    tab.answers().await;
    let (again, _) = log_in(&ann, "ann").await.is(200).cookie();
    assert_eq!(tab.closed().await, Some(4501));
    ann.get("/api/auth/me").await.refused(401, "unauthenticated");
    other.answers().await;
    // Another user logs in with the same browser.
    let browser = ann.with_header("cookie", &again);
    let mut tab = browser.connect().await;
    log_in(&browser, "bob").await.is(200);
    assert_eq!(tab.closed().await, Some(4501));
    browser.get("/api/auth/me").await.refused(401, "unauthenticated");
    let mut tab = bob.connect().await;
    let reply = bob.post("/api/auth/register", json!({"username": "cat", "password": PASSWORD})).await.is(201);
    assert_eq!(tab.closed().await, Some(4501));
    bob.get("/api/auth/me").await.refused(401, "unauthenticated");
    // The cookie has the name that version 0.1 used.
    let cat = hub.visitor().with("cookie", &format!("session={}", secret(&reply.cookie().0)));
    let reply = log_in(&cat, "bob").await.is(200);
    let kept = kept(&reply);
    assert_eq!((&kept[0], &*kept[1].0), (&forgotten("session"), "switchboard"));
    cat.get("/api/auth/me").await.refused(401, "unauthenticated");
    other.answers().await;
}

both_databases!(a_login_without_a_valid_cookie_ends_no_session);
async fn a_login_without_a_valid_cookie_ends_no_session(hub: &mut TestHub) {
    let ann = register(&hub.visitor(), "ann").await;
    let mut tab = ann.connect().await;
    for cookie in ["switchboard=stale", "switchboard=", "session=stale", "other=x"] {
        log_in(&hub.visitor().with("cookie", cookie), "ann").await.is(200);
    }
    ann.with_refresh_token().await;
    tab.answers().await;
    assert_eq!(hub.database.count("logins"), 6);
}

both_databases!(one_call_ends_all_logins_of_a_user);
async fn one_call_ends_all_logins_of_a_user(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    for asks_by_token in [false, true] {
        let here = ann.log_in_again().await;
        let (phone, token) = (ann.log_in_again().await, ann.log_in_again().await.by_token().await);
        let ticket = phone.ticket().await;
        let mut sockets = [here.connect().await, phone.connect().await, token.connect().await];
        let mut other = bob.connect().await;
        let asks = if asks_by_token { here.by_token().await } else { here.clone() };
        let reply = asks.delete("/api/auth/sessions").await.is(204);
        assert_eq!(kept(&reply), [forgotten("switchboard")]);
        for socket in &mut sockets {
            assert_eq!(socket.closed().await, Some(4501));
        }
        for ended in [&here, &phone, &token, &asks] {
            ended.get("/api/auth/me").await.refused(401, "unauthenticated");
            ended.delete("/api/auth/sessions").await.refused(401, "unauthenticated");
        }
        ann.handshake_at(&ticket).await.refused(401, "unauthenticated");
        other.answers().await;
        assert_eq!(hub.database.count("logins"), 1);
    }
    hub.visitor().delete("/api/auth/sessions").await.refused(401, "unauthenticated");
    bob.at("https://evil.example").delete("/api/auth/sessions").await.refused(403, "bad_origin");
}
