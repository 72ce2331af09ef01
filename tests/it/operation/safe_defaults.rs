//! The defaults are safe: a new hub has no accounts, refuses published example keys, and warns
//! about plain http.

use super::startup::assert_refused;
use crate::harness::{TestHub, both_databases};
use crate::support::binary::Sandbox;
use serde_json::json;
use std::fs;
use std::path::Path;

/// The values that follow `NAME=` in the operator's documents.
fn shown_values(name: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = [".env.example", "README.md", "docs/PROTOCOL.md", "docs/SECURITY.md", "deploy/switchboard.service"];
    let values = documents.into_iter().flat_map(|document| {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let assigned = text.split(&format!("{name}=")).skip(1).map(str::to_owned).collect::<Vec<_>>();
        assigned.into_iter().filter_map(|rest| rest.split(['\n', ' ', '`', '"', '\'']).next().map(str::to_owned))
    });
    values.filter(|value| !value.is_empty()).collect()
}

#[tokio::test]
async fn op_2_a_secret_from_a_manual_stops_the_start() {
    const SAMPLES: [&str; 9] = [
        "changeme-changeme-changeme-changeme",
        "CHANGE_ME_TO_SOMETHING_LONG_AND_RANDOM_1",
        "replace-me-with-32-random-bytes-or-more",
        "your-256-bit-secret-your-256-bit-key",
        "supersecretjwtkeyforproductionuse1234",
        "example-key-example-key-example-key-1",
        "0123456789abcdef0123456789abcdef",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "put-your-key-here-put-your-key-here-",
    ];
    for name in ["JWT_SECRET", "JWT_SECRET_PREVIOUS", "METRICS_TOKEN"] {
        let shown = shown_values(name);
        for sample in SAMPLES.iter().copied().chain(shown.iter().map(String::as_str)) {
            assert_refused(&Sandbox::new().with(name, sample), &[name, "published example"]).await;
        }
    }
}

both_databases!(op_2_a_new_hub_has_no_accounts);
async fn op_2_a_new_hub_has_no_accounts(hub: &mut TestHub) {
    for name in ["admin", "root", "switchboard", "test", "user", "guest", "demo"] {
        for password in ["", name, "admin", "password", "changeme", "switchboard", "12345678"] {
            let form = json!({"username": name, "password": password});
            hub.visitor().post("/api/auth/login", form).await.refused(401, "bad_credentials");
        }
    }
    assert_eq!((hub.database.count("users"), hub.database.count("logins")), (0, 0));
}

#[tokio::test]
async fn au_5_every_start_warns_of_plain_http_beyond_loopback() {
    for (bind, public_url, is_warned) in [
        ("127.0.0.1:0", "", false),
        ("127.0.0.1:0", "http://localhost:8080", false),
        ("127.0.0.1:0", "https://chat.example.org", false),
        ("0.0.0.0:0", "https://chat.example.org", false),
        ("127.0.0.1:0", "http://chat.example.org", true),
        ("0.0.0.0:0", "http://192.0.2.1:8080", true),
        ("[::]:0", "http://chat.example.org", true),
        ("0.0.0.0:0", "", true),
    ] {
        let sandbox = Sandbox::new().with("BIND", bind).with("PUBLIC_URL", public_url);
        for _ in 0..2 {
            let mut hub = sandbox.start(&[]);
            hub.address().await;
            let log = hub.log();
            let warnings = log.lines().filter(|line| line.contains(" WARN ") && line.contains("PUBLIC_URL is "));
            assert_eq!(warnings.count(), usize::from(is_warned), "{bind} {public_url}: {log}");
        }
    }
}

#[tokio::test]
async fn missing_or_too_wide_trusted_proxies_cause_a_warning() {
    for (public_url, trusted, warning) in [
        ("", "", None),
        ("http://localhost:8080", "", None),
        ("https://chat.example.org", "127.0.0.1", None),
        ("https://chat.example.org", "", Some("TRUSTED_PROXIES is empty")),
        ("https://chat.example.org", "10.0.0.0/8,0.0.0.0/0", Some("TRUSTED_PROXIES trusts every address")),
        ("http://localhost:8080", "::/0", Some("TRUSTED_PROXIES trusts every address")),
    ] {
        let sandbox = Sandbox::new().with("PUBLIC_URL", public_url).with("TRUSTED_PROXIES", trusted);
        let checked = sandbox.run(&["check"]).await;
        assert_eq!(checked.status.code(), Some(0), "{}", checked.stderr);
        let mut hub = sandbox.start(&[]);
        hub.address().await;
        let warned: Vec<_> = hub.log().lines().filter(|line| line.contains(" WARN ")).map(str::to_owned).collect();
        for said in [&warned.join("\n"), &checked.stdout] {
            let about_it = said.lines().filter(|line| line.contains(" TRUSTED_PROXIES "));
            assert_eq!(about_it.count(), usize::from(warning.is_some()), "{said}");
            assert!(warning.is_none_or(|warning| said.contains(warning)), "{said}");
        }
    }
}
