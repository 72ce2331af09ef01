//! Forged tokens: none authenticates, on any transport.

use crate::harness::issuer::{
    self, AUDIENCE, EC, ED, ISSUER, Key, OTHER_EC, OTHER_ED, OTHER_RSA, RSA, claims, now, unsigned,
};
use crate::harness::{Socket, TestHub, User, both_databases};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

const SECRET: &str = "Zk3vT9qLw1xR7bNs5mYc8hJd2fGp4aUe";
const PREVIOUS: &str = "Pq8sW2nXc6vB1mKj4hGf7dSa9zQe3rTy";

type Forged = Vec<(String, String)>;

/// A token as the hub signs it, with these changes; null removes a key.
fn ours(pattern: &Value, header: &Value, changes: &Value) -> String {
    ours_by(SECRET.as_bytes(), Algorithm::HS256, pattern, header, changes)
}

fn ours_by(secret: &[u8], algorithm: Algorithm, pattern: &Value, header: &Value, changes: &Value) -> String {
    let header = changed(&json!({"alg": format!("{algorithm:?}"), "typ": "at+jwt"}), header);
    issuer::sign(&header, &changed(pattern, changes), &EncodingKey::from_secret(secret), algorithm)
}

fn theirs(key: Key, header: &Value, changes: &Value) -> String {
    key.sign(&changed(&key.header(), header), &changed(&claims("mallory"), changes))
}

fn changed(value: &Value, changes: &Value) -> Value {
    let mut value = value.clone();
    for (key, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => value.as_object_mut().unwrap().remove(key),
            change => value.as_object_mut().unwrap().insert(key.clone(), change.clone()),
        };
    }
    value
}

/// Header keys that refer to a key elsewhere, or that a verifier must understand.
fn pointers() -> Vec<Value> {
    let key = URL_SAFE_NO_PAD.encode(SECRET);
    vec![
        json!({"jku": "https://evil.example/keys"}),
        json!({"jwk": {"kty": "oct", "k": key}}),
        json!({"x5u": "https://evil.example/cert"}),
        json!({"x5c": ["AAAA"]}),
        json!({"crit": ["exp"], "exp": 1}),
        json!({"kid": "unknown"}),
        json!({"kid": "../../../../dev/null"}),
        json!({"kid": "x' UNION SELECT 'key"}),
        json!({"typ": null}),
        json!({"typ": "id+jwt"}),
        json!({"typ": ""}),
    ]
}

/// Forged tokens of the hub's own kind; `bob` is another user, with another login.
fn of_ours(pattern: &Value, bob: &Value) -> Forged {
    let none = json!({});
    let mut all = Forged::new();
    let good = ours(pattern, &none, &none);
    let (front, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = front.split_once('.').unwrap();
    for algorithm in ["none", "None", "NONE", "nOnE", "", "HS257"] {
        let front = unsigned(&json!({"alg": algorithm, "typ": "at+jwt"}), &pattern.to_string());
        all.push((format!("alg {algorithm:?}"), format!("{front}.")));
        all.push((format!("alg {algorithm:?} with a signature"), format!("{front}.{signature}")));
    }
    for header in pointers() {
        all.push((format!("ours with {header}"), ours(pattern, &header, &none)));
    }
    all.push(("ours of type JWT".into(), ours(pattern, &json!({"typ": "JWT"}), &none)));
    for changes in [
        json!({"iss": null}),
        json!({"iss": ISSUER}),
        json!({"iss": ["switchboard"]}),
        json!({"aud": null}),
        json!({"aud": AUDIENCE}),
        json!({"aud": ["switchboard", "other"]}),
        json!({"sub": null}),
        json!({"sub": bob["sub"]}),
        json!({"sub": "0"}),
        json!({"sub": 1}),
        json!({"sub": "ann"}),
        json!({"sid": null}),
        json!({"sid": bob["sid"]}),
        json!({"sid": "999999"}),
        json!({"sid": "-1"}),
        json!({"exp": null}),
        json!({"exp": now() - 1}),
        json!({"exp": "9999999999"}),
        json!({"exp": now() + 24 * 3600}),
        json!({"exp": -1}),
    ] {
        all.push((format!("ours with {changes}"), ours(pattern, &none, &changes)));
    }
    for (what, secret) in
        [("another key", &b"0123456789abcdef0123456789abcdef"[..]), ("no key", b""), ("a zero", b"\0")]
    {
        all.push((format!("ours by {what}"), ours_by(secret, Algorithm::HS256, pattern, &none, &none)));
    }
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        all.push((format!("{algorithm:?}"), ours_by(SECRET.as_bytes(), algorithm, pattern, &none, &none)));
    }
    // Key confusion: the public part of a key, used as a secret.
    for key in [RSA, EC, ED] {
        for (what, secret) in [("PEM", key.pem().into_bytes()), ("DER", key.public.to_vec())] {
            let token = ours_by(&secret, Algorithm::HS256, pattern, &none, &none);
            all.push((format!("HS256 by the {what} of {:?}", key.algorithm), token));
        }
    }
    let swapped = URL_SAFE_NO_PAD.encode(changed(pattern, &json!({"sub": bob["sub"], "sid": bob["sid"]})).to_string());
    let twice =
        unsigned(&json!({"alg": "HS256", "typ": "at+jwt"}), &pattern.to_string().replacen('{', "{\"sub\":\"1\",", 1));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let doubled = jsonwebtoken::crypto::sign(twice.as_bytes(), &key, Algorithm::HS256).unwrap();
    for (what, token) in [
        ("another payload", format!("{header}.{swapped}.{signature}")),
        ("no signature", format!("{front}.")),
        ("half a signature", format!("{front}.{}", &signature[..20])),
        ("two parts", front.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("the payload first", format!("{payload}.{header}.{signature}")),
        ("padding", format!("{good}=")),
        ("a claim twice", format!("{twice}.{doubled}")),
        ("dots", "...".to_owned()),
        ("nothing", ".".to_owned()),
    ] {
        all.push((what.into(), token));
    }
    all
}

/// Forged tokens of the external kind. `pattern` holds the claims of a valid token.
fn of_theirs(pattern: &Value) -> Forged {
    let none = json!({});
    let mut all = Forged::new();
    for key in [OTHER_RSA, OTHER_EC, OTHER_ED] {
        all.push((format!("another {:?} key", key.algorithm), theirs(key, &none, &none)));
    }
    let kinds = [("RS384", Algorithm::RS384), ("RS512", Algorithm::RS512), ("PS256", Algorithm::PS256)];
    for (name, algorithm) in kinds {
        let header = json!({"alg": name, "typ": "JWT"});
        all.push((name.into(), issuer::sign(&header, &claims("mallory"), &RSA.signing(), algorithm)));
    }
    for header in pointers() {
        all.push((format!("theirs with {header}"), theirs(RSA, &header, &none)));
    }
    all.push(("the kid of another key".into(), theirs(RSA, &json!({"kid": "ed"}), &none)));
    all.push(("a key under another's algorithm".into(), theirs(ED, &json!({"alg": "ES256"}), &none)));
    for (key, length) in [(EC, 64), (ED, 64), (RSA, 256)] {
        let front = unsigned(&key.header(), &claims("mallory").to_string());
        all.push((
            format!("zeros for {:?}", key.algorithm),
            format!("{front}.{}", URL_SAFE_NO_PAD.encode(vec![0; length])),
        ));
    }
    for changes in [
        json!({"iss": null}),
        json!({"iss": "switchboard"}),
        json!({"iss": format!("{ISSUER}/")}),
        json!({"iss": [ISSUER]}),
        json!({"aud": null}),
        json!({"aud": "other"}),
        json!({"aud": ["other", "third"]}),
        json!({"aud": []}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": 7}),
        json!({"sub": "x".repeat(256)}),
        json!({"sub": "mal\u{0}lory"}),
        json!({"exp": null}),
        json!({"exp": now() - 1}),
        json!({"exp": 1e300}),
        json!({"exp": "tomorrow"}),
        json!({"nbf": now() + 120}),
    ] {
        all.push((format!("theirs with {changes}"), theirs(RSA, &none, &changes)));
    }
    // A user of this hub, named by number, as the external system could name one.
    all.push(("our claims by their key".into(), RSA.sign(&json!({"alg": "RS256", "typ": "at+jwt"}), pattern)));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let header = json!({"alg": "HS256", "typ": "JWT"});
    all.push(("their claims by our key".into(), issuer::sign(&header, &claims("mallory"), &key, Algorithm::HS256)));
    all
}

/// The claims of the hub's own token for this login.
async fn said_of(user: &User) -> Value {
    let token = user.post("/api/auth/token", json!({})).await.ok()["access_token"].as_str().unwrap().to_owned();
    jsonwebtoken::dangerous::insecure_decode(&token).unwrap().claims
}

/// Tries the token as a header over HTTP and at the handshake, and in a frame.
async fn opens(user: &User, token: &str) -> [bool; 3] {
    let device = user.showing(token);
    let (rest, handshake) = (device.get("/api/auth/me").await, device.handshake().await);
    let mut socket = Socket::open_at(&user.without_credentials(), "/ws?auth=message").await;
    socket.frame(json!({"type": "authenticate", "token": token})).await;
    let answer = socket.next().await["type"].clone();
    if answer == "auth_error" {
        assert_eq!(socket.closed().await, Some(4501));
    }
    [rest.status == 200, handshake.status == 101, answer == "authenticated"]
}

both_databases!(
    au_6_a_forged_token_grants_no_access,
    JWT_SECRET = super::SECRET,
    JWT_SECRET_PREVIOUS = super::PREVIOUS
);
async fn au_6_a_forged_token_grants_no_access(hub: &mut TestHub) {
    hub.trust(&format!("kid: rsa\n{}{}kid: ed\n{}", RSA.pem(), EC.pem(), ED.pem()));
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (pattern, other) = (said_of(&ann).await, said_of(&bob).await);
    let none = json!({});
    let previous = ours_by(PREVIOUS.as_bytes(), Algorithm::HS256, &pattern, &none, &none);
    let mut good = vec![ours(&pattern, &none, &none), previous];
    good.extend([RSA, EC, ED].map(|key| theirs(key, &none, &none)));
    good.extend([theirs(RSA, &json!({"kid": "rsa"}), &none), theirs(ED, &json!({"typ": "at+jwt"}), &none)]);
    good.push(theirs(EC, &none, &json!({"aud": ["other", AUDIENCE], "nbf": now() + 5, "exp": now() as f64 + 60.5})));
    for token in good {
        assert_eq!(opens(&ann, &token).await, [true; 3], "the patterns are right: {token}");
    }
    let forged: Forged = of_ours(&pattern, &other).into_iter().chain(of_theirs(&pattern)).collect();
    assert!(forged.len() > 100, "{}", forged.len());
    for (what, token) in forged {
        assert_eq!(opens(&ann, &token).await, [false; 3], "{what}: {token}");
    }
    assert_eq!(hub.database.count("users"), 3, "ann, bob, and one of the other system");
}
