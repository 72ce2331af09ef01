//! Passwords: changing one, the logins that this revokes, and how passwords are stored.

use crate::harness::{PASSWORD, Reply, TestHub, User, any_database, both_databases};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NEXT: &str = "battery staple 😀";

async fn change(user: &User, current: &str, new: &str) -> Reply {
    user.post("/api/auth/password", json!({"current_password": current, "new_password": new})).await
}

async fn log_in(hub: &TestHub, who: &User, password: &str) -> Reply {
    hub.visitor().post("/api/auth/login", json!({"username": who.name, "password": password})).await
}

both_databases!(au_4_a_new_password_ends_other_logins_and_the_old_cookie);
async fn au_4_a_new_password_ends_other_logins_and_the_old_cookie(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let phone = ann.log_in_again().await;
    let (token, token_of_phone) = (ann.by_token().await, phone.by_token().await);
    let (mut own, mut by_token) = (ann.connect().await, token.connect().await);
    let mut others = [phone.connect().await, token_of_phone.connect().await];
    let mut stranger = bob.connect().await;
    let (cookie, attributes) = change(&ann, PASSWORD, NEXT).await.is(204).cookie();
    assert!(attributes.contains(&"HttpOnly".to_owned()) && attributes.contains(&"Max-Age=1209600".to_owned()));
    assert_ne!(cookie, ann.cookie());
    for socket in &mut others {
        assert_eq!(socket.closed().await, Some(4501));
    }
    for ended in [&ann, &phone, &token_of_phone] {
        ended.get("/api/auth/me").await.refused(401, "unauthenticated");
        ended.handshake().await.refused(401, "unauthenticated");
    }
    let renewed = ann.with_header("cookie", &cookie);
    renewed.connect().await.answers().await;
    for socket in [&mut own, &mut by_token, &mut stranger] {
        socket.answers().await;
    }
    token.get("/api/auth/me").await.is(200);
    assert_eq!(hub.database.count("logins"), 2);
    log_in(hub, &ann, PASSWORD).await.refused(401, "bad_credentials");
    log_in(hub, &ann, NEXT).await.is(200);
    for password in [PASSWORD, NEXT] {
        assert!(!hub.database.holds(password.as_bytes()));
    }
}

both_databases!(a_password_change_by_token_keeps_that_login);
async fn a_password_change_by_token_keeps_that_login(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let (phone, token) = (ann.log_in_again().await, ann.by_token().await);
    let reply = change(&token, PASSWORD, NEXT).await.is(204);
    assert_eq!(reply.header("set-cookie"), None);
    token.get("/api/auth/me").await.is(200);
    ann.get("/api/auth/me").await.is(200);
    phone.get("/api/auth/me").await.refused(401, "unauthenticated");
}

both_databases!(a_password_change_requires_the_current_password);
async fn a_password_change_requires_the_current_password(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut socket = ann.log_in_again().await.connect().await;
    for wrong in ["", "wrong horse battery", NEXT, &"x".repeat(10_000)] {
        change(&ann, wrong, NEXT).await.refused(401, "bad_credentials");
    }
    for bad in ["1234567", &"x".repeat(257)] {
        let detail = change(&ann, PASSWORD, bad).await.refused(400, "invalid");
        assert!(detail.starts_with("new_password") && !detail.contains(bad), "{detail}");
    }
    for (body, key) in [
        (json!({"new_password": NEXT}), "current_password"),
        (json!({"current_password": PASSWORD}), "new_password"),
        (json!({"current_password": 1, "new_password": NEXT}), "current_password"),
        (json!({"current_password": PASSWORD, "new_password": Value::Null}), "new_password"),
    ] {
        let detail = ann.post("/api/auth/password", body).await.refused(400, "invalid");
        assert!(detail.starts_with(key), "{detail}");
    }
    change(&ann.at("https://evil.example"), PASSWORD, NEXT).await.refused(403, "bad_origin");
    let body = json!({"current_password": PASSWORD, "new_password": NEXT});
    hub.visitor().post("/api/auth/password", body).await.refused(401, "unauthenticated");
    socket.answers().await;
    ann.get("/api/auth/me").await.is(200);
    log_in(hub, &ann, PASSWORD).await.is(200);
}

both_databases!(only_one_of_many_concurrent_password_changes_succeeds);
async fn only_one_of_many_concurrent_password_changes_succeeds(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let new = ["the first of four", "the second of four", "the third of four", "the last of four"];
    let all = new.map(|password| change(&ann, PASSWORD, password));
    let replies = futures_util::future::join_all(all).await;
    let mut taken = new.iter().zip(&replies).filter(|(_, reply)| reply.status == 204);
    let (password, reply) = taken.next().expect("one password is accepted");
    assert!(taken.next().is_none(), "and no other: {replies:?}");
    ann.with_header("cookie", &reply.cookie().0).get("/api/auth/me").await.is(200);
    for other in [PASSWORD].iter().chain(&new).filter(|other| *other != password) {
        log_in(hub, &ann, other).await.refused(401, "bad_credentials");
    }
    log_in(hub, &ann, password).await.is(200);
}

both_databases!(au_1_a_password_of_8_to_1024_bytes_counts_to_its_last_byte);
async fn au_1_a_password_of_8_to_1024_bytes_counts_to_its_last_byte(hub: &mut TestHub) {
    // The password has the maximum of 256 characters, four bytes each.
    let [longest, other] = ["😀", "😁"].map(|last| format!("{}{last}", "😀".repeat(255)));
    assert_eq!((longest.len(), &longest.as_bytes()[..1023]), (1024, &other.as_bytes()[..1023]));
    let of_64 = |last: char| format!("{}{last}", "correct horse".repeat(5).split_at(63).0);
    let log_in = async |name: &str, password: &str| {
        let reply = hub.visitor().post("/api/auth/login", json!({"username": name, "password": password})).await;
        reply.status
    };
    for (name, password, other) in
        [("least", "12345678", "12345679"), ("most", &longest, &other), ("usual", &of_64('a'), &of_64('b'))]
    {
        let form = json!({"username": name, "password": password});
        hub.visitor().post("/api/auth/register", form).await.is(201);
        assert_eq!((log_in(name, other).await, log_in(name, password).await), (401, 200), "{name}");
    }
    let [ann] = hub.users(["ann"]).await;
    for bad in ["1234567", &"x".repeat(257), &"x".repeat(1025), &format!("{longest}x")] {
        let form = json!({"username": "bob", "password": bad});
        let detail = hub.visitor().post("/api/auth/register", form).await.refused(400, "invalid");
        assert_eq!(detail, "password must have 8 to 256 characters");
        let detail = change(&ann, PASSWORD, bad).await.refused(400, "invalid");
        assert_eq!(detail, "new_password must have 8 to 256 characters");
    }
    assert_eq!(hub.database.count("users"), 4);
}

both_databases!(au_1_passwords_are_stored_as_argon2id_with_unique_salts);
async fn au_1_passwords_are_stored_as_argon2id_with_unique_salts(hub: &mut TestHub) {
    let [ann, ..] = hub.users(["ann", "bob", "cat"]).await;
    let stored = || hub.database.texts("SELECT password_hash AS line FROM users");
    let mut hashes = stored();
    change(&ann, PASSWORD, PASSWORD).await.is(204);
    hashes.extend(stored().into_iter().filter(|hash| !hashes.contains(hash)).collect::<Vec<_>>());
    assert_eq!(hashes.len(), 4, "one for each, and another when it is set again");
    let mut salts = BTreeSet::new();
    for hash in &hashes {
        let parts: Vec<&str> = hash.split('$').collect();
        let ["", "argon2id", "v=19", parameters, salt, output] = parts[..] else { panic!("{hash}") };
        let parameter = |name: &str| -> u32 {
            let value = parameters.split(',').find_map(|one| one.strip_prefix(name)?.strip_prefix('='));
            value.unwrap().parse().unwrap()
        };
        assert!(parameter("m") >= 19 * 1024 && parameter("t") >= 2 && parameter("p") == 1, "{hash}");
        assert_eq!(STANDARD_NO_PAD.decode(salt).unwrap().len(), 16);
        assert!(STANDARD_NO_PAD.decode(output).unwrap().len() >= 32);
        salts.insert(salt);
    }
    assert_eq!(salts.len(), 4, "of the same password, each with another salt");
}

any_database!(au_2_a_full_password_queue_answers_with_retry_after);
async fn au_2_a_full_password_queue_answers_with_retry_after(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let (mut tried, mut turned_away) = (0, 0);
    // Four hashes are running and 64 are waiting; the next request is refused.
    for round in 0..20 {
        let calls = (0..150).map(|number| {
            let form = json!({"username": format!("nobody{round}.{number}"), "password": PASSWORD});
            let visitor = hub.visitor();
            async move { visitor.post("/api/auth/login", form).await }
        });
        for reply in futures_util::future::join_all(calls).await {
            if reply.status == 401 {
                tried += 1;
                continue;
            }
            turned_away += 1;
            let seconds = reply.header("retry-after").map(|text| text.parse::<u32>().unwrap());
            assert!(seconds.is_some_and(|seconds| seconds >= 1), "{reply:?}");
            reply.refused(503, "unavailable");
        }
        if turned_away > 0 {
            break;
        }
    }
    assert!(turned_away > 0, "{tried} had their turn");
    // The attempt counts as a guess, and as a password that was checked.
    assert_eq!(hub.database.count("attempts"), 2 * tried, "a try counts only if there was one");
    log_in(hub, &ann, PASSWORD).await.is(200);
}

/// The stored hash of a password with parameters lower than today's.
fn weakly_hashed(password: &str) -> String {
    let (params, salt, mut output) = (Params::new(64, 1, 1, None).unwrap(), [7; 16], [0; 32]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(password.as_bytes(), &salt, &mut output).unwrap();
    let [salt, output] = [&salt[..], &output[..]].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    format!("$argon2id$v=19$m=64,t=1,p=1${salt}${output}")
}

both_databases!(au_1_a_weaker_hash_is_replaced_at_the_next_login);
async fn au_1_a_weaker_hash_is_replaced_at_the_next_login(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let weak = weakly_hashed(PASSWORD);
    hub.database.execute(&format!("UPDATE users SET password_hash = '{weak}'"));
    let stored = |like: &str| hub.database.count(&format!("users WHERE password_hash LIKE '{like}'"));
    log_in(hub, &ann, "wrong horse battery").await.refused(401, "bad_credentials");
    assert_eq!(stored(&weak), 1, "not by a wrong password");
    for _ in 0..2 {
        log_in(hub, &ann, PASSWORD).await.is(200);
        assert_eq!(stored("$argon2id$v=19$m=19456,t=2,p=1$%"), 1);
    }
    log_in(hub, &ann, "wrong horse battery").await.refused(401, "bad_credentials");
}

/// Each password is sent in the form of one system and then in the form of another.
const FORMS: [[&str; 2]; 4] = [
    ["Gänseblümchen", "Ga\u{308}nseblu\u{308}mchen"],
    ["한국어비밀번호입니다", "\u{1112}\u{1161}\u{11ab}국어비밀번호입니다"],
    ["ガンバッテネ頑張って", "カ\u{3099}ンハ\u{3099}ッテネ頑張って"],
    ["tiếng Việt", "tie\u{302}\u{301}ng\u{a0}Vie\u{323}\u{302}t"],
];

both_databases!(a_password_is_the_same_in_every_unicode_form);
async fn a_password_is_the_same_in_every_unicode_form(hub: &mut TestHub) {
    for (number, [one, other]) in FORMS.into_iter().enumerate() {
        for (way, set, typed) in [("composed", one, other), ("decomposed", other, one)] {
            let name = format!("{way}{number}");
            let form = json!({"username": name, "password": set});
            let (cookie, _) = hub.visitor().post("/api/auth/register", form).await.is(201).cookie();
            for password in [set, typed] {
                let credentials = json!({"username": name, "password": password});
                hub.visitor().post("/api/auth/login", credentials).await.is(200);
            }
            let user = hub.visitor().with("cookie", &cookie);
            let body = json!({"current_password": typed, "new_password": format!("{set} again")});
            let (cookie, _) = user.post("/api/auth/password", body).await.is(204).cookie();
            let credentials = json!({"username": name, "password": format!("{typed} again")});
            hub.visitor().post("/api/auth/login", credentials).await.is(200);
            let user = hub.visitor().with("cookie", &cookie);
            user.call_with("DELETE", "/api/auth/me", json!({"password": format!("{typed} again")})).await.is(204);
        }
    }
}

both_databases!(a_hash_of_another_unicode_form_is_replaced_at_login);
async fn a_hash_of_another_unicode_form_is_replaced_at_login(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let [composed, decomposed] = FORMS[0];
    hub.database.execute(&format!("UPDATE users SET password_hash = '{}'", weakly_hashed(decomposed)));
    log_in(hub, &ann, composed).await.refused(401, "bad_credentials");
    log_in(hub, &ann, decomposed).await.is(200);
    for form in [composed, decomposed] {
        log_in(hub, &ann, form).await.is(200);
    }
    log_in(hub, &ann, "Ga\u{308}nseblumchen").await.refused(401, "bad_credentials");
}

any_database!(a_new_password_has_no_control_characters);
async fn a_new_password_has_no_control_characters(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for bad in ["correct\thorse", "correct\0horse", "correct horse\n"] {
        let detail = change(&ann, PASSWORD, bad).await.refused(400, "invalid");
        assert_eq!(detail, "new_password must not contain control characters");
        let form = json!({"username": "bob", "password": bad});
        let detail = hub.visitor().post("/api/auth/register", form).await.refused(400, "invalid");
        assert_eq!(detail, "password must not contain control characters");
        log_in(hub, &ann, bad).await.refused(401, "bad_credentials");
    }
}
