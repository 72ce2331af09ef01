//! Users of an external identity provider: which account they get here, and key rotation while the
//! hub runs.

use crate::harness::issuer::{AUDIENCE, EC, ED, ISSUER, OTHER_RSA, RSA, claims, now, pem};
use crate::harness::{Reply, Socket, TestHub, User, both_databases};
use crate::support::binary::Sandbox;
use futures_util::future::join_all;
use serde_json::{Value, json};
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;

/// A client that authenticates with this token.
async fn arrives(hub: &TestHub, token: &str) -> User {
    let [friend] = hub.users([&*format!("friend{}", hub.database.count("users"))]).await;
    let mut arrived = friend.showing(token);
    let user = arrived.get("/api/auth/me").await.ok()["user"].clone();
    arrived.id = user["id"].as_i64().unwrap();
    arrived.name = user["username"].as_str().unwrap().to_owned();
    arrived
}

both_databases!(an_external_token_creates_and_identifies_an_account);
async fn an_external_token_creates_and_identifies_an_account(hub: &mut TestHub) {
    hub.trust(&RSA.pem());
    let [bob] = hub.users(["bob"]).await;
    let ann = arrives(hub, &RSA.token("u-1", "Ann  Ünal\n")).await;
    let seen = bob.get(&format!("/api/users/{}", ann.id)).await.ok()["user"].clone();
    assert_eq!((&seen["username"], &seen["display_name"]), (&json!("ann.nal"), &json!("Ann Ünal")));
    let mut socket = ann.connect().await;
    ann.gets_to_know(&bob).await;
    socket.until_message("hello").await;
    let renamed = RSA.token("u-1", "Somebody Else");
    let again = hub.visitor().with_token(&renamed).get("/api/auth/me").await.ok()["user"].clone();
    assert_eq!((&again["id"], &again["display_name"]), (&json!(ann.id), &json!("Ann Ünal")), "by subject alone");
    // The subject of an external token is not one of our user ids.
    let bobs_number = arrives(hub, &RSA.token(&bob.id.to_string(), "Eve")).await;
    assert_ne!(bobs_number.id, bob.id);
    ann.post("/api/auth/token", json!({})).await.refused(401, "unauthenticated");
    ann.post("/api/auth/logout", json!({})).await.refused(403, "forbidden");
    ann.delete("/api/auth/sessions").await.refused(403, "forbidden");
    let mut by_ticket = Socket::open_at(&ann.without_credentials(), &ann.ticket().await).await;
    assert_eq!(by_ticket.welcome().await.0["user_id"], ann.id);
}

both_databases!(concurrent_first_requests_create_one_account);
async fn concurrent_first_requests_create_one_account(hub: &mut TestHub) {
    hub.trust(&RSA.pem());
    let mut node = hub.second_node();
    let token = RSA.token("u-1", "Ann");
    let nodes = [&*hub, &node];
    let asks = (0..20).map(|n| {
        let client = nodes[n % 2].visitor().with_token(&token);
        async move { client.get("/api/auth/me").await.ok()["user"]["id"].as_i64().unwrap() }
    });
    let ids = join_all(asks).await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(hub.database.count("users"), 1);
    node.stop();
}

both_databases!(a_taken_username_gets_a_suffix, REGISTRATION = "closed");
async fn a_taken_username_gets_a_suffix(hub: &mut TestHub) {
    hub.trust(&ED.pem());
    let mut names = Vec::new();
    for subject in ["1", "2", "3"] {
        let client = hub.visitor().with_token(&ED.token(subject, "Ann Smith"));
        names.push(client.get("/api/auth/me").await.ok()["user"]["username"].as_str().unwrap().to_owned());
    }
    assert_eq!(names[0], "ann.smith");
    assert!(names[1..].iter().all(|name| name.starts_with("ann.smith-")) && names[1] != names[2], "{names:?}");
}

both_databases!(a_forbidden_external_name_is_cleaned_instead_of_refused);
async fn a_forbidden_external_name_is_cleaned_instead_of_refused(hub: &mut TestHub) {
    hub.trust(&ED.pem());
    for (subject, name, username, display_name) in [
        ("u-1", "Admin", None, "Admin"),
        ("u-2", "\u{202e}Ann\u{200f} Lee", Some("ann.lee"), "Ann Lee"),
        ("u-3", "\u{200b}", Some("u-3"), "u-3"),
    ] {
        let user = hub.visitor().with_token(&ED.token(subject, name)).get("/api/auth/me").await.ok()["user"].clone();
        match username {
            Some(username) => assert_eq!(user["username"], username, "{name:?}"),
            None => assert!(user["username"].as_str().unwrap().starts_with("admin-"), "{user}"),
        }
        assert_eq!(user["display_name"], display_name, "{name:?}");
    }
}

both_databases!(au_6_key_rotation_refuses_no_valid_token);
async fn au_6_key_rotation_refuses_no_valid_token(hub: &mut TestHub) {
    let is_in =
        async |hub: &TestHub, token: &str| hub.visitor().with_token(token).get("/api/auth/me").await.status == 200;
    let (old, new) = (RSA.token("u-1", "Ann"), OTHER_RSA.token("u-1", "Ann"));
    for (keys, expected) in [
        (RSA.pem(), [true, false]),
        (format!("{}{}", RSA.pem(), OTHER_RSA.pem()), [true, true]),
        (OTHER_RSA.pem(), [false, true]),
    ] {
        hub.trust(&keys);
        assert_eq!([is_in(hub, &old).await, is_in(hub, &new).await], expected);
    }
    hub.trust(&format!("kid: 2026-10\n{}kid: 2026-11\n{}", RSA.pem(), OTHER_RSA.pem()));
    let named = |kid: &str| {
        let mut header = RSA.header();
        header["kid"] = json!(kid);
        RSA.sign(&header, &claims("u-1"))
    };
    assert!(is_in(hub, &named("2026-10")).await);
    assert!(!is_in(hub, &named("2026-11")).await);
    assert!(!is_in(hub, &named("2026-12")).await);
    assert_eq!(hub.database.count("users"), 1);
}

both_databases!(a_disabled_account_is_refused_despite_an_external_token);
async fn a_disabled_account_is_refused_despite_an_external_token(hub: &mut TestHub) {
    hub.trust(&EC.pem());
    let [admin] = hub.users(["ada"]).await;
    let admin = hub.promote(&admin).await;
    let ann = arrives(hub, &EC.token("u-1", "Ann")).await;
    let mut socket = ann.connect().await;
    admin.post(&format!("/api/admin/users/{}/disable", ann.id), json!({})).await.is(204);
    assert_eq!(socket.closed().await, Some(4503));
    for token in [EC.token("u-1", "Ann"), EC.token("u-1", "Another")] {
        let detail = ann.showing(&token).get("/api/auth/me").await.refused(403, "forbidden");
        assert_eq!(detail, "this account is disabled");
    }
}

/// Ann's token with this time of issue.
fn issued(iat: &Value) -> String {
    let mut claims = claims("u-1");
    claims["iat"] = iat.clone();
    RSA.sign(&RSA.header(), &claims)
}

async fn close(user: &User, token: &str, body: Value) -> Reply {
    user.showing(token).call_with("DELETE", "/api/auth/me", body).await
}

both_databases!(a_fresh_token_closes_an_external_account);
async fn a_fresh_token_closes_an_external_account(hub: &mut TestHub) {
    hub.trust(&RSA.pem());
    let now = now();
    hub.restart_at(&Clock::fixed_at(Timestamp::from_millis(now * 1000)));
    let ann = arrives(hub, &RSA.token("u-1", "Ann")).await;
    for iat in [json!(null), json!("x"), json!(-1), json!(0), json!(now - 300), json!(now + 31)] {
        let detail = close(&ann, &issued(&iat), json!({})).await.refused(403, "forbidden");
        assert!(detail.contains("iat is less than 5 minutes ago"), "{detail}");
        ann.showing(&issued(&iat)).get("/api/auth/me").await.is(200);
    }
    let mut sockets = [ann.connect().await, Socket::open_at(&ann.without_credentials(), &ann.ticket().await).await];
    sockets[1].welcome().await;
    close(&ann, &issued(&json!(now as f64 - 299.5)), json!({})).await.is(204);
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, Some(4501));
    }
    for token in [issued(&json!(now)), RSA.token("u-1", "Ann")] {
        ann.showing(&token).get("/api/auth/me").await.refused(401, "unauthenticated");
        close(&ann, &token, json!({})).await.refused(401, "unauthenticated");
    }
    let [friend] = hub.users(["bob"]).await;
    let shown = friend.get(&format!("/api/users/{}", ann.id)).await.ok()["user"].clone();
    assert_eq!(shown["display_name"], "Deleted user");
    let cat = arrives(hub, &RSA.token("u-2", "Cat")).await;
    let mut claims = claims("u-2");
    claims["iat"] = json!(now + 30);
    close(&cat, &RSA.sign(&RSA.header(), &claims), json!({})).await.is(204);
}

both_databases!(an_account_without_a_password_counts_no_guesses);
async fn an_account_without_a_password_counts_no_guesses(hub: &mut TestHub) {
    hub.trust(&RSA.pem());
    let token = issued(&json!(now()));
    let ann = arrives(hub, &token).await;
    for _ in 0..15 {
        let detail = close(&ann, &token, json!({"password": "a wrong guess"})).await.refused(403, "forbidden");
        assert!(detail.contains("this account has no password"), "{detail}");
        let body = json!({"current_password": "a wrong guess", "new_password": "another horse battery"});
        ann.post("/api/auth/password", body).await.refused(403, "forbidden");
    }
    assert_eq!(hub.database.count("attempts"), 0);
    // A user with a password must give it, also when authenticated with a token.
    let [bob] = hub.users(["bob"]).await;
    let detail = bob.by_token().await.call_with("DELETE", "/api/auth/me", json!({})).await.refused(400, "invalid");
    assert_eq!(detail, "password is missing");
    close(&ann, &token, json!({})).await.is(204);
}

#[tokio::test]
async fn weak_or_invalid_keys_prevent_the_start() {
    let small = pem(include_bytes!("../keys/rsa_small.public.der"));
    let curve = pem(include_bytes!("../keys/p384.public.der"));
    for (keys, why) in [
        (small, "1024 bits"),
        (curve, "is not RSA, P-256 or Ed25519"),
        (format!("{}{}", RSA.pem(), RSA.pem().replace("PUBLIC", "PRIVATE")), "block 2 is not a PUBLIC KEY"),
        (String::new(), "no PUBLIC KEY block"),
    ] {
        let sandbox = Sandbox::new().with("JWT_PUBLIC_KEY_FILE", "keys.pem");
        std::fs::write(sandbox.path("keys.pem"), keys).unwrap();
        let sandbox = sandbox.with("JWT_ISSUER", ISSUER).with("JWT_AUDIENCE", AUDIENCE);
        for arguments in [&[][..], &["check"]] {
            let ended = sandbox.run(arguments).await;
            assert_eq!(ended.status.code(), Some(1));
            assert!(
                ended.stderr.contains("JWT_PUBLIC_KEY_FILE keys.pem") && ended.stderr.contains(why),
                "{}",
                ended.stderr
            );
        }
        assert!(!sandbox.path("data").exists(), "no data directory is created");
    }
    let missing =
        Sandbox::new().with("JWT_PUBLIC_KEY_FILE", "none.pem").with("JWT_ISSUER", "i").with("JWT_AUDIENCE", "a");
    assert!(missing.run(&[]).await.stderr.contains("none.pem: No such file"));
}
