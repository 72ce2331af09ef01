//! A hub that nobody has thought about much is no danger: it begins without
//! accounts, refuses keys that everybody knows, and warns of plain http.

use crate::binary::Place;

#[tokio::test]
async fn au_5_plain_http_at_another_address_than_loopback_is_warned_of_at_every_start() {
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
        let place = Place::new().with("BIND", bind).with("PUBLIC_URL", public_url);
        for _ in 0..2 {
            let mut hub = place.start(&[]);
            hub.address().await;
            let log = hub.log();
            let warnings = log.lines().filter(|line| line.contains(" WARN ") && line.contains("PUBLIC_URL is "));
            assert_eq!(warnings.count(), usize::from(is_warned), "{bind} {public_url}: {log}");
        }
    }
}
