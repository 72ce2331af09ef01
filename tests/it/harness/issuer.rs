//! Test tokens: those of an external identity provider with its own keys, and forged tokens of any
//! kind.

use super::hub::TestHub;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub const ISSUER: &str = "https://id.example.org";
pub const AUDIENCE: &str = "chat";

/// A key pair of the provider; each kind has a second pair that the provider does not own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    pub algorithm: Algorithm,
    private: &'static [u8],
    pub public: &'static [u8],
}

macro_rules! key {
    ($algorithm:ident, $name:literal) => {
        Key {
            algorithm: Algorithm::$algorithm,
            private: include_bytes!(concat!("../keys/", $name, ".private.der")),
            public: include_bytes!(concat!("../keys/", $name, ".public.der")),
        }
    };
}

pub const RSA: Key = key!(RS256, "rsa_one");
pub const EC: Key = key!(ES256, "ec_one");
pub const ED: Key = key!(EdDSA, "ed_one");
pub const OTHER_RSA: Key = key!(RS256, "rsa_two");
pub const OTHER_EC: Key = key!(ES256, "ec_two");
pub const OTHER_ED: Key = key!(EdDSA, "ed_two");

impl Key {
    pub fn signing(&self) -> EncodingKey {
        match self.algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_der(self.private),
            Algorithm::ES256 => EncodingKey::from_ec_der(self.private),
            _ => EncodingKey::from_ed_der(self.private),
        }
    }

    pub fn header(&self) -> Value {
        json!({"alg": format!("{:?}", self.algorithm), "typ": "JWT"})
    }

    /// The token that the provider issues to this user.
    pub fn token(&self, subject: &str, name: &str) -> String {
        let mut claims = claims(subject);
        claims["name"] = json!(name);
        self.sign(&self.header(), &claims)
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        sign(header, claims, &self.signing(), self.algorithm)
    }

    pub fn pem(&self) -> String {
        pem(self.public)
    }
}

pub fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// The claims that the provider makes for a user, valid for a quarter of an hour.
pub fn claims(subject: &str) -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": now() + 900})
}

/// Builds a token of any header and claims, with a valid signature.
pub fn sign(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let text = unsigned(header, &claims.to_string());
    let signature = jsonwebtoken::crypto::sign(text.as_bytes(), key, algorithm).unwrap();
    format!("{text}.{signature}")
}

/// The two parts that the signature covers.
pub fn unsigned(header: &Value, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims))
}

/// Seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

impl TestHub {
    /// Restarts a hub that trusts this key file.
    pub fn trust(&mut self, pem: &str) {
        let file = format!("{}/keys.pem", self.database.data_dir());
        std::fs::write(&file, pem).unwrap();
        for (name, value) in [("JWT_PUBLIC_KEY_FILE", &*file), ("JWT_ISSUER", ISSUER), ("JWT_AUDIENCE", AUDIENCE)] {
            self.set(name, value);
        }
        self.restart();
    }
}
