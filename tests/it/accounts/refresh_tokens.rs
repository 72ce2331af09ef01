//! Logins of clients without cookies: the client keeps a refresh token itself.

use crate::harness::{PASSWORD, TestHub, both_databases};
use serde_json::json;

both_databases!(a_refresh_token_works_until_its_login_ends);
async fn a_refresh_token_works_until_its_login_ends(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let (device, secret) = ann.with_refresh_token().await;
    assert!(secret.len() >= 43, "256 bits: {secret}");
    let mut token = String::new();
    for _ in 0..2 {
        let answer = device.post("/api/auth/token", json!({"refresh_token": secret})).await.ok();
        assert_eq!(answer["token_type"], "Bearer");
        token = answer["access_token"].as_str().unwrap().to_owned();
    }
    let by_token = device.with_token(&token);
    assert_eq!(by_token.get("/api/auth/me").await.ok()["user"]["id"], ann.id);
    by_token.post("/api/auth/logout", json!({})).await.is(204);
    by_token.get("/api/auth/me").await.refused(401, "unauthenticated");
    device.post("/api/auth/token", json!({"refresh_token": secret})).await.refused(401, "unauthenticated");
    ann.get("/api/auth/me").await.is(200);
}

both_databases!(a_refresh_token_is_given_only_on_request_and_not_stored);
async fn a_refresh_token_is_given_only_on_request_and_not_stored(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let log_in = async |refresh| {
        let form = json!({"username": "ann", "password": PASSWORD, "refresh": refresh});
        hub.visitor().post("/api/auth/login", form).await
    };
    assert!(log_in(json!(false)).await.ok().get("refresh_token").is_none());
    assert_eq!(log_in(json!("yes")).await.refused(400, "invalid"), "refresh must be a boolean");
    let (_, secret) = ann.with_refresh_token().await;
    assert!(!hub.database.holds(secret.as_bytes()));
}

both_databases!(an_access_token_cannot_obtain_another);
async fn an_access_token_cannot_obtain_another(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let by_token = ann.by_token().await;
    for body in [json!({}), json!({"refresh_token": null})] {
        by_token.post("/api/auth/token", body).await.refused(401, "unauthenticated");
    }
    for (secret, code) in [(json!("nonsense"), 401), (json!(""), 401), (json!(7), 400)] {
        assert_eq!(ann.post("/api/auth/token", json!({"refresh_token": secret})).await.status, code, "{secret}");
    }
    let (_, secret) = ann.with_refresh_token().await;
    by_token.post("/api/auth/token", json!({"refresh_token": secret})).await.is(200);
}
