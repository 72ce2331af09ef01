//! Access tokens: short-lived JWTs for back ends and native clients, tied to
//! a login, so that ending the login ends them.
//!
//! By RFC 8725: one algorithm for the key (HS256), `typ`, `iss`, `aud` and
//! `exp` required and checked. Two keys verify during a rotation, the first
//! signs.

use crate::error::{Error, Result};
use crate::ids::{LoginId, Timestamp, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a token is good for.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How far two clocks may be apart.
const LEEWAY: Duration = Duration::from_secs(30);
/// Both issuer and audience: the hub talks to itself.
const HUB: &str = "switchboard";
/// RFC 9068's type, so that a token made for something else is refused.
const TYPE: &str = "at+jwt";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    iat: i64,
    exp: i64,
}

/// Signs and checks access tokens.
pub struct AccessTokens {
    signing: EncodingKey,
    /// The current key first.
    verifying: Vec<DecodingKey>,
}

impl AccessTokens {
    pub fn new(secret: &[u8], previous: Option<&[u8]>) -> Self {
        Self {
            signing: EncodingKey::from_secret(secret),
            verifying: std::iter::once(secret).chain(previous).map(DecodingKey::from_secret).collect(),
        }
    }

    /// A token for the login, and when it ends.
    pub fn issue(&self, user_id: UserId, login_id: LoginId, now: Timestamp) -> Result<(String, Timestamp)> {
        let issued = now.as_millis() / 1000;
        let expires = issued + LIFETIME.as_secs() as i64;
        let claims = Claims {
            iss: HUB.into(),
            aud: HUB.into(),
            sub: user_id.to_string(),
            sid: login_id.to_string(),
            iat: issued,
            exp: expires,
        };
        let header = Header { typ: Some(TYPE.into()), ..Header::new(Algorithm::HS256) };
        let token =
            jsonwebtoken::encode(&header, &claims, &self.signing).map_err(|error| Error::Internal(error.into()))?;
        Ok((token, Timestamp::from_millis(expires * 1000)))
    }

    /// The user and login the token names; whether the login still exists is
    /// for the store to say. Time is the system's: the library reads it.
    ///
    /// # Errors
    /// `Unauthenticated`: expired, or not one of ours.
    pub fn verify(&self, token: &str) -> Result<(UserId, LoginId)> {
        const INVALID: Error = Error::Unauthenticated("token invalid");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[HUB]);
        validation.set_audience(&[HUB]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY.as_secs();
        let header = jsonwebtoken::decode_header(token).map_err(|_| INVALID)?;
        if header.typ.as_deref() != Some(TYPE) || header.kid.is_some() {
            return Err(INVALID);
        }
        let mut refusal = INVALID;
        for key in &self.verifying {
            match jsonwebtoken::decode::<Claims>(token, key, &validation) {
                Ok(data) => {
                    let user_id = data.claims.sub.parse().map_err(|_| INVALID)?;
                    let login_id = data.claims.sid.parse().map_err(|_| INVALID)?;
                    return Ok((user_id, login_id));
                }
                Err(error) if matches!(error.kind(), jsonwebtoken::errors::ErrorKind::ExpiredSignature) => {
                    refusal = Error::Unauthenticated("token expired");
                }
                Err(_) => {}
            }
        }
        Err(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
    const OTHER: &[u8] = b"fedcba9876543210fedcba9876543210";

    fn signed(header: &Header, claims: serde_json::Value, key: &[u8]) -> String {
        jsonwebtoken::encode(header, &claims, &EncodingKey::from_secret(key)).unwrap()
    }

    fn ours() -> Header {
        Header { typ: Some(TYPE.into()), ..Header::new(Algorithm::HS256) }
    }

    fn claims() -> serde_json::Value {
        let now = Clock::system().now().as_millis() / 1000;
        serde_json::json!({"iss": HUB, "aud": HUB, "sub": "7", "sid": "9", "iat": now, "exp": now + 900})
    }

    #[test]
    fn a_token_names_its_user_and_login_and_survives_a_rotation() {
        let (user, login) = (UserId::new(7), LoginId::new(9));
        let (token, _) = AccessTokens::new(KEY, None).issue(user, login, Clock::system().now()).unwrap();
        assert_eq!(AccessTokens::new(KEY, None).verify(&token).unwrap(), (user, login));
        assert_eq!(AccessTokens::new(OTHER, Some(KEY)).verify(&token).unwrap(), (user, login));
        assert!(AccessTokens::new(OTHER, None).verify(&token).is_err());
    }

    #[test]
    fn a_hand_made_token_is_refused_for_each_thing_that_is_wrong_with_it() {
        let tokens = AccessTokens::new(KEY, None);
        assert!(tokens.verify(&signed(&ours(), claims(), KEY)).is_ok(), "the pattern is right");
        for (claim, value) in [("iss", "other"), ("aud", "other"), ("sub", "x"), ("sub", "0"), ("sid", "-1")] {
            let mut wrong = claims();
            wrong[claim] = value.into();
            assert!(tokens.verify(&signed(&ours(), wrong, KEY)).is_err(), "{claim}={value}");
        }
        for claim in ["iss", "aud", "sub", "sid", "exp"] {
            let mut without = claims();
            without.as_object_mut().unwrap().remove(claim);
            assert!(tokens.verify(&signed(&ours(), without, KEY)).is_err(), "without {claim}");
        }
        let typed = |typ: Option<&str>| Header { typ: typ.map(str::to_owned), ..Header::new(Algorithm::HS256) };
        assert!(tokens.verify(&signed(&typed(Some("JWT")), claims(), KEY)).is_err());
        assert!(tokens.verify(&signed(&typed(None), claims(), KEY)).is_err());
        assert!(tokens.verify(&signed(&Header { kid: Some("x".into()), ..ours() }, claims(), KEY)).is_err());
        assert!(tokens.verify(&signed(&Header { alg: Algorithm::HS512, ..ours() }, claims(), KEY)).is_err());
        assert!(tokens.verify("").is_err());
        assert!(tokens.verify("a.b.c").is_err());
    }

    #[test]
    fn unsigned_and_tampered_tokens_are_refused() {
        use base64::Engine;
        let encode = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let tokens = AccessTokens::new(KEY, None);
        for algorithm in ["none", "None", "NONE"] {
            let header = format!(r#"{{"typ":"at+jwt","alg":"{algorithm}"}}"#);
            let token = format!("{}.{}.", encode(header), encode(claims().to_string()));
            assert!(tokens.verify(&token).is_err(), "{algorithm}");
        }
        let good = signed(&ours(), claims(), KEY);
        let (front, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = front.split_once('.').unwrap();
        let mut forged = claims();
        forged["sub"] = "8".into();
        assert!(tokens.verify(&format!("{header}.{}.{signature}", encode(forged.to_string()))).is_err());
    }

    #[test]
    fn an_expired_token_says_so() {
        let mut old = claims();
        old["exp"] = (Clock::system().now().as_millis() / 1000 - 31).into();
        let refusal = AccessTokens::new(KEY, None).verify(&signed(&ours(), old, KEY)).unwrap_err();
        assert_eq!(refusal.detail(), "token expired");
    }
}
