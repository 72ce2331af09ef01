//! Tokens that another system signed. They name that system's users by its issuer and subject,
//! never by the hub's own ids.
//!
//! The checks follow RFC 8725. The key decides the algorithm. A `kid` must be one that the operator
//! gave a key. `iss` and `aud` must equal the configured values, and `exp` and `typ` are required.

use super::jws::{self, Seconds, refused, shown};
use super::public_keys::{self, PublicKey};
use crate::clock::random_bytes;
use crate::error::Result;
use crate::ids::Timestamp;
use crate::text::{clean_name, is_reserved_username};
use jsonwebtoken::Header;
use serde::Deserialize;
use serde_json::Value;

/// Maximum length of a subject; the store has the same limit.
const MAX_SUBJECT_CHARS: usize = 255;
const MAX_USERNAME: usize = 32;
const MAX_DISPLAY_NAME: usize = 64;

pub struct ExternalTokens {
    keys: Vec<PublicKey>,
    issuer: String,
    audience: String,
}

/// A user whom the other system authenticates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUser {
    pub issuer: String,
    pub subject: String,
    /// The `name` claim, if present.
    name: Option<String>,
    /// Time at which the token was signed, if the token states it.
    pub issued_at: Option<Timestamp>,
}

#[derive(Clone, Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    sub: String,
    exp: Seconds,
    #[serde(default)]
    nbf: Option<Seconds>,
    /// Only some calls need this claim, so an invalid value counts as absent.
    #[serde(default)]
    iat: Value,
    /// This claim is only displayed, so an invalid value is ignored.
    #[serde(default)]
    name: Value,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl ExternalTokens {
    /// Reads the keys and stores the required claims.
    ///
    /// # Errors
    /// Says what is wrong with the keys.
    pub fn new(pem: &str, issuer: &str, audience: &str) -> Result<Self, String> {
        let keys = public_keys::parse(pem)?;
        Ok(Self { keys, issuer: issuer.to_owned(), audience: audience.to_owned() })
    }

    /// Verifies a token. Returns its user and its expiry time.
    ///
    /// # Errors
    /// `TokenRefused`: the token expired, or the operator's settings do not accept it.
    pub fn verify(&self, token: &str, header: &Header, now: Timestamp) -> Result<(ExternalUser, Timestamp)> {
        let typ = header.typ.as_deref().unwrap_or_default();
        if !is_access_token(typ) {
            return Err(refused(format!("typ is {}, not JWT or at+jwt", shown(typ))));
        }
        let is_meant =
            |key: &&PublicKey| key.algorithm == header.alg && (header.kid.is_none() || key.kid == header.kid);
        let keys = self.keys.iter().filter(is_meant).map(|key| &key.key);
        let claims: Claims = jws::open(token, keys, header)?;
        let audiences = match claims.aud {
            Audience::One(audience) => vec![audience],
            Audience::Several(all) => all,
        };
        let is_subject =
            (1..=MAX_SUBJECT_CHARS).contains(&claims.sub.chars().count()) && !claims.sub.chars().any(char::is_control);
        if claims.iss != self.issuer {
            return Err(refused(format!("iss is {}, not JWT_ISSUER", shown(&claims.iss))));
        }
        if !audiences.contains(&self.audience) {
            return Err(refused(format!("aud is {}, not JWT_AUDIENCE", shown(&audiences.join(" ")))));
        }
        if !is_subject {
            return Err(refused("sub must have 1 to 255 characters, and no control characters"));
        }
        let expires_at = jws::check_times(claims.exp, claims.nbf, now)?;
        let name = claims.name.as_str().map(str::to_owned);
        let issued_at = claims.iat.as_f64().and_then(|seconds| Seconds(seconds).timestamp().ok());
        Ok((ExternalUser { issuer: claims.iss, subject: claims.sub, name, issued_at }, expires_at))
    }
}

/// Accepts `JWT`, or `at+jwt` of RFC 9068.
fn is_access_token(typ: &str) -> bool {
    ["jwt", "at+jwt", "application/at+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known))
}

impl ExternalUser {
    /// Returns possible usernames, the preferred one first. It is the name, or else the subject, in
    /// the letters that usernames allow. The second has a suffix that no other user can have taken
    /// before.
    pub fn usernames(&self) -> Vec<String> {
        let name = self.name.as_deref().map(legal).filter(|name| name.len() >= 3);
        let base = name.unwrap_or_else(|| legal(&self.subject));
        let mut usernames = vec![cut(&base, MAX_USERNAME)];
        usernames.retain(|username| username.len() >= 3 && !is_reserved_username(username));
        usernames.extend((0..3).map(|_| {
            let tail: String = random_bytes::<5>().iter().map(|byte| format!("{byte:02x}")).collect();
            let base = if base.is_empty() { "user" } else { &base };
            format!("{}-{tail}", cut(base, MAX_USERNAME - 1 - tail.len()))
        }));
        usernames
    }

    /// Returns the name on one line, within the length bounds; without a name, the username.
    pub fn display_name(&self) -> Option<String> {
        clean_name(self.name.as_deref()?, MAX_DISPLAY_NAME)
    }
}

/// Converts a text to the letters of usernames: `Ann B. Smith` becomes `ann.b.smith`.
fn legal(text: &str) -> String {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "_.-".contains(letter)));
    let words = words.map(|word| word.trim_matches('.')).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(".").to_ascii_lowercase()
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn external_user(subject: &str, name: Option<&str>) -> ExternalUser {
        ExternalUser { issuer: "i".into(), subject: subject.into(), name: name.map(str::to_owned), issued_at: None }
    }

    #[test]
    fn a_username_comes_from_the_name_or_else_the_subject() {
        for (subject, name, username) in [
            ("42", Some("Ann B. Smith"), "ann.b.smith"),
            ("u-42", Some("李小龍"), "u-42"),
            ("auth0|5f7c", None, "auth0.5f7c"),
            ("ann@example.org", Some(""), "ann.example.org"),
            ("x", Some(&*"long ".repeat(20)), "long.long.long.long.long.long.lo"),
        ] {
            let all = external_user(subject, name).usernames();
            assert_eq!(all[0], username);
            for name in &all {
                assert!((3..=32).contains(&name.len()), "{name}");
                assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)), "{name}");
            }
        }
        for subject in ["42", "ü", "..."] {
            let all = external_user(subject, None).usernames();
            assert!(all.len() == 3 && all.iter().all(|name| name.len() >= 11), "{all:?}");
            assert_ne!(all[0], all[1]);
        }
    }

    #[test]
    fn a_display_name_is_one_line_within_bounds() {
        let shown = |name: &str| external_user("x", Some(name)).display_name();
        assert_eq!(shown("  Ann\n\u{7} Ünal "), Some("Ann Ünal".into()));
        assert_eq!(shown(&"ö".repeat(65)), Some("ö".repeat(64)));
        assert_eq!((shown(" \0 "), external_user("x", None).display_name()), (None, None));
    }
}
