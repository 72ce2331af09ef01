//! `user promote` and `user demote` on the command line, also while the hub runs, and its log lines
//! about administrators.

use crate::support::binary::{Ended, Sandbox};
use crate::support::hub_process::{Person, close_code};
use crate::support::temp_database::Scratch;
use serde_json::{Value, json};

async fn call(address: &str, by: &Person, method: &str, path: &str, body: Value) -> u16 {
    let url = format!("http://{address}{path}");
    let client = reqwest::Client::new();
    let request = client.request(method.parse().unwrap(), url).header("cookie", &by.cookie).json(&body);
    request.send().await.unwrap().status().as_u16()
}

/// The exit code, and the one line of output.
async fn user(sandbox: &Sandbox, what: &str, name: &str) -> (i32, String) {
    let Ended { status, stdout, stderr } = sandbox.run(&["user", what, name]).await;
    let code = status.code().unwrap();
    let (said, silent) = if code == 0 { (stdout, stderr) } else { (stderr, stdout) };
    assert_eq!((said.lines().count(), silent.as_str()), (1, ""), "{said}");
    (code, said.trim_end().to_owned())
}

#[tokio::test]
async fn promote_refuses_an_empty_database_file() {
    let sandbox = Sandbox::new().with("DATABASE_URL", "sqlite://empty.db");
    std::fs::write(sandbox.path("empty.db"), "").unwrap();
    let (code, said) = user(&sandbox, "promote", "ann").await;
    assert!(code == 1 && said.contains("DATABASE_URL: the database is empty; start the hub"), "{said}");
}

#[tokio::test]
async fn au_4_promotion_and_demotion_end_the_logins_of_the_user() {
    for scratch in [Scratch::sqlite(), Scratch::postgres()] {
        let sandbox = Sandbox::new().with("DATABASE_URL", &scratch.url);
        let run_user = async |what: &'static str, name: &'static str| user(&sandbox, what, name).await;
        let (code, said) = run_user("promote", "ann").await;
        let reason = if scratch.name() == "SQLite" { "there is no SQLite database" } else { "the database is empty" };
        assert!(code == 1 && said.contains(reason), "before the hub ever ran: {said}");
        assert!(said.contains("DATABASE_URL") && said.contains("start the hub"), "{said}");
        let mut hub = sandbox.start(&[]);
        let address = hub.address().await;
        let mut ann = Person::register(&address, "Ann").await;
        assert_eq!(run_user("promote", "bob").await, (1, "switchboard: no user has the username \"bob\"".to_owned()));
        for (what, said, status) in [
            ("demote", "ann is not an administrator (nothing changed)", 403),
            ("promote", "ann is an administrator now", 200),
            ("promote", "ann is an administrator (nothing changed)", 200),
            ("demote", "ann is not an administrator now", 403),
        ] {
            let before = ann.clone();
            let socket = before.connect(&address).await.unwrap();
            assert_eq!(run_user(what, "ann").await, (0, format!("switchboard: {said}")));
            let has_changed = said.ends_with("now");
            if has_changed {
                assert_eq!(call(&address, &before, "GET", "/api/auth/me", Value::Null).await, 401, "{what}");
                assert!(before.connect(&address).await.is_none(), "{what}");
                assert_eq!(close_code(socket).await, Some(4501), "{what}");
                ann = ann.log_in(&address).await;
                assert_ne!(ann.cookie, before.cookie);
            }
            assert_eq!(call(&address, &ann, "GET", "/api/admin/reports", Value::Null).await, status, "{what}");
        }
    }
}

#[tokio::test]
async fn an_operator_sets_a_forgotten_password_while_the_hub_runs() {
    const NEW: &str = "battery sta\u{308}ple";
    for scratch in [Scratch::sqlite(), Scratch::postgres()] {
        let sandbox = Sandbox::new().with("DATABASE_URL", &scratch.url);
        let mut hub = sandbox.start(&[]);
        let address = hub.address().await;
        let ann = Person::register(&address, "ann").await;
        let bob = Person::register(&address, "bob").await;
        // A user who logs in on a device replaces the earlier user there.
        let device = Person::register(&address, "device").await;
        let socket = ann.connect(&address).await.unwrap();
        let set = async |name: &'static str, input: &'static str| {
            let Ended { status, stdout, stderr } = sandbox.run_with_input(&["user", "password", name], input).await;
            (status.code().unwrap(), format!("{stdout}{stderr}").trim_end().to_owned())
        };
        for (name, input, said) in [
            ("cat", "battery staple\n", "no user with a password here has the username \"cat\""),
            ("ann", "1234567\n", "the password must have 8 to 256 characters"),
            ("ann", "battery\tstaple\n", "the password must not contain control characters"),
            ("ann", "\n", "the password must have 8 to 256 characters"),
            ("ann", "", "no password on standard input"),
        ] {
            assert_eq!(set(name, input).await, (1, format!("switchboard: {said}")));
        }
        assert_eq!(call(&address, &ann, "GET", "/api/auth/me", Value::Null).await, 200);
        let (code, said) = set("Ann", "battery sta\u{308}ple\nnot this\n").await;
        assert_eq!((code, &*said), (0, "switchboard: Ann has a new password and is signed out everywhere"));
        assert_eq!(call(&address, &ann, "GET", "/api/auth/me", Value::Null).await, 401);
        assert_eq!(close_code(socket).await, Some(4501));
        for (password, status) in [("correct horse battery", 401), (NEW, 200), ("battery stäple", 200)] {
            let credentials = json!({"username": "ann", "password": password});
            assert_eq!(call(&address, &device, "POST", "/api/auth/login", credentials).await, status, "{password}");
        }
        assert_eq!(call(&address, &bob, "GET", "/api/auth/me", Value::Null).await, 200);
        assert!(!hub.log().contains("battery"));
    }
}

#[tokio::test]
async fn an_unreachable_database_is_named() {
    for (url, reason) in [
        ("postgres://app:hunter2@127.0.0.1:1/chat", "cannot connect to Postgres"),
        ("sqlite://missing/chat.db", "there is no SQLite database missing/chat.db"),
        ("sqlite://text.db", "not a database"),
    ] {
        let sandbox = Sandbox::new().with("DATABASE_URL", url);
        std::fs::write(sandbox.path("text.db"), "this is no database, whatever its name says".repeat(50)).unwrap();
        let (code, said) = user(&sandbox, "promote", "ann").await;
        assert_eq!(code, 1);
        assert!(!sandbox.path("data").exists(), "no data directory is created");
        assert!(said.starts_with("switchboard: ") && said.contains(reason) && !said.contains("hunter2"), "{said}");
    }
    let (code, said) = user(&Sandbox::new().with("DATABASE_POOL", "0"), "promote", "ann").await;
    assert!(code == 1 && said.contains("DATABASE_POOL"), "{said}");
}

#[tokio::test]
async fn the_log_has_admin_and_owner_account_changes_but_no_secrets() {
    let sandbox = Sandbox::new();
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let (ann, bob) = (Person::register(&address, "ann").await, Person::register(&address, "bob").await);
    assert_eq!(user(&sandbox, "promote", "ann").await.0, 0);
    let ann = ann.log_in(&address).await;
    let report = json!({"user_id": ann.id, "reason": "rude words"});
    assert_eq!(call(&address, &bob, "POST", "/api/reports", report).await, 201);
    assert_eq!(call(&address, &ann, "GET", "/api/admin/reports", Value::Null).await, 200);
    let account = format!("/api/admin/users/{}", bob.id);
    assert_eq!(call(&address, &ann, "POST", &format!("{account}/disable"), Value::Null).await, 204);
    let credentials = json!({"username": "bob", "password": "correct horse battery"});
    assert_eq!(call(&address, &bob, "POST", "/api/auth/login", credentials).await, 403);
    assert_eq!(call(&address, &ann, "POST", &format!("{account}/enable"), Value::Null).await, 204);
    for method in ["GET", "DELETE"] {
        assert!(call(&address, &ann, method, &format!("{account}/connections"), Value::Null).await < 300);
    }
    let (cat, dan) = (Person::register(&address, "cat").await, Person::register(&address, "dan").await);
    let change = json!({"current_password": "correct horse battery", "new_password": "battery staple"});
    assert_eq!(call(&address, &cat, "POST", "/api/auth/password", change).await, 204);
    for (password, status) in [("wrong horse", 401), ("correct horse battery", 204)] {
        assert_eq!(call(&address, &dan, "DELETE", "/api/auth/me", json!({"password": password})).await, status);
    }
    assert_eq!(user(&sandbox, "promote", "dan").await.0, 1, "no account has that name any more");
    hub.signal("TERM");
    let log = hub.ended().await.stderr;
    let by_ann = format!("user={} address=127.0.0.1 origin=none", ann.id);
    for line in [
        format!("admin read reports count=1 {by_ann}"),
        format!("admin disabled account={} {by_ann}", bob.id),
        format!(
            "refused user={} address=127.0.0.1 origin=none code=forbidden status=403 call=POST:/api/auth/login",
            bob.id
        ),
        format!("admin enabled account={} {by_ann}", bob.id),
        format!("admin read connections of={} {by_ann}", bob.id),
        format!("admin ended logins of={} {by_ann}", bob.id),
        format!("changed password user={}", cat.id),
        format!(
            "login failed user={} address=127.0.0.1 origin=none code=bad_credentials status=401 call=DELETE:/api/auth/me",
            dan.id
        ),
        format!("closed account user={}", dan.id),
    ] {
        assert!(log.contains(&line), "{line} in {log}");
    }
    let secrets = ["rude", "horse", "staple"];
    assert!(!secrets.iter().any(|secret| log.contains(secret)), "{log}");
}
