//! Access tokens: short-lived JWTs for back ends and native clients. Each is tied to a login, so
//! that ending the login ends the token.
//!
//! The checks follow RFC 8725: one algorithm for the key (HS256), and `typ`, `iss`, `aud` and `exp`
//! are required and checked. The epoch of the database is checked too: after a restored backup the
//! ids in a token may belong to another user. During a rotation two keys verify, and the first
//! signs. Expiry has no leeway, so that a socket can end with the token that opened it.

use super::jws::{self, refused};
use crate::error::{Error, Result};
use crate::ids::{LoginId, Timestamp, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Lifetime of a token.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Issuer and audience of a token; both are the hub itself.
const HUB: &str = "switchboard";
/// The type of RFC 9068, so that a token made for another purpose is refused.
const TYPE: &str = "at+jwt";

#[derive(Clone, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    epoch: String,
    iat: i64,
    exp: i64,
}

/// Signs and checks access tokens.
pub struct AccessTokens {
    signing: EncodingKey,
    /// The keys that verify; the current key is first.
    verifying: Vec<DecodingKey>,
    epoch: String,
}

impl AccessTokens {
    pub fn new(secret: &[u8], previous: Option<&[u8]>, epoch: &str) -> Self {
        Self {
            signing: EncodingKey::from_secret(secret),
            verifying: std::iter::once(secret).chain(previous).map(DecodingKey::from_secret).collect(),
            epoch: epoch.to_owned(),
        }
    }

    /// Signs a token for the login. Returns it with its expiry time.
    pub fn issue(&self, user_id: UserId, login_id: LoginId, now: Timestamp) -> Result<(String, Timestamp)> {
        let issued = now.as_millis() / 1000;
        let expires = issued + LIFETIME.as_secs() as i64;
        let claims = Claims {
            iss: HUB.into(),
            aud: HUB.into(),
            sub: user_id.to_string(),
            sid: login_id.to_string(),
            epoch: self.epoch.clone(),
            iat: issued,
            exp: expires,
        };
        let header = Header { typ: Some(TYPE.into()), ..Header::new(Algorithm::HS256) };
        let token =
            jsonwebtoken::encode(&header, &claims, &self.signing).map_err(|error| Error::Internal(error.into()))?;
        Ok((token, Timestamp::from_millis(expires * 1000)))
    }

    /// Verifies a token. Returns its user, its login and its expiry time. The store checks whether
    /// the login still exists.
    ///
    /// # Errors
    /// `TokenRefused`: the token expired, or this hub did not issue it.
    pub fn verify(&self, token: &str, header: &Header, now: Timestamp) -> Result<(UserId, LoginId, Timestamp)> {
        if header.alg != Algorithm::HS256 || header.typ.as_deref() != Some(TYPE) || header.kid.is_some() {
            return Err(refused("the hub's own tokens have alg HS256, typ at+jwt and no kid"));
        }
        let claims: Claims = jws::open(token, self.verifying.iter(), header)?;
        if claims.iss != HUB || claims.aud != HUB {
            return Err(refused("the hub's own tokens have iss and aud switchboard"));
        }
        if claims.epoch != self.epoch {
            return Err(refused("the token was issued before a backup of the hub's database was restored"));
        }
        let expires_at = jws::check_times(claims.exp.into(), None, now)?;
        if expires_at > now.after(LIFETIME + jws::LEEWAY) {
            return Err(refused("exp is further ahead than the lifetime of the hub's own tokens"));
        }
        let user_id = claims.sub.parse().map_err(|_| refused("sub is not an id"))?;
        let login_id = claims.sid.parse().map_err(|_| refused("sid is not an id"))?;
        Ok((user_id, login_id, expires_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
    const EPOCH: &str = "epoch";
    const OTHER: &[u8] = b"fedcba9876543210fedcba9876543210";

    fn signed(header: &Header, claims: serde_json::Value, key: &[u8]) -> String {
        jsonwebtoken::encode(header, &claims, &EncodingKey::from_secret(key)).unwrap()
    }

    const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);

    fn check(tokens: &AccessTokens, token: &str) -> Result<(UserId, LoginId, Timestamp)> {
        tokens.verify(token, &jws::header(token)?, NOW)
    }

    fn ours() -> Header {
        Header { typ: Some(TYPE.into()), ..Header::new(Algorithm::HS256) }
    }

    fn claims() -> serde_json::Value {
        let now = NOW.as_millis() / 1000;
        serde_json::json!({"iss": HUB, "aud": HUB, "sub": "7", "sid": "9", "epoch": EPOCH, "iat": now, "exp": now + 900})
    }

    #[test]
    fn a_token_names_its_user_and_login_and_survives_a_rotation() {
        let (user, login) = (UserId::new(7), LoginId::new(9));
        let (token, end) = AccessTokens::new(KEY, None, EPOCH).issue(user, login, NOW).unwrap();
        assert_eq!(end, NOW.after(LIFETIME));
        assert_eq!(check(&AccessTokens::new(KEY, None, EPOCH), &token).unwrap(), (user, login, end));
        assert_eq!(check(&AccessTokens::new(OTHER, Some(KEY), EPOCH), &token).unwrap(), (user, login, end));
        assert!(check(&AccessTokens::new(OTHER, None, EPOCH), &token).is_err());
    }

    #[test]
    fn an_access_token_with_any_wrong_claim_or_header_is_refused() {
        let tokens = AccessTokens::new(KEY, None, EPOCH);
        assert!(check(&tokens, &signed(&ours(), claims(), KEY)).is_ok(), "the pattern is right");
        for (claim, value) in
            [("iss", "other"), ("aud", "other"), ("sub", "x"), ("sub", "0"), ("sid", "-1"), ("epoch", "other")]
        {
            let mut wrong = claims();
            wrong[claim] = value.into();
            assert!(check(&tokens, &signed(&ours(), wrong, KEY)).is_err(), "{claim}={value}");
        }
        for claim in ["iss", "aud", "sub", "sid", "epoch", "exp"] {
            let mut without = claims();
            without.as_object_mut().unwrap().remove(claim);
            assert!(check(&tokens, &signed(&ours(), without, KEY)).is_err(), "without {claim}");
        }
        let typed = |typ: Option<&str>| Header { typ: typ.map(str::to_owned), ..Header::new(Algorithm::HS256) };
        assert!(check(&tokens, &signed(&typed(Some("JWT")), claims(), KEY)).is_err());
        assert!(check(&tokens, &signed(&typed(None), claims(), KEY)).is_err());
        assert!(check(&tokens, &signed(&Header { kid: Some("x".into()), ..ours() }, claims(), KEY)).is_err());
        assert!(check(&tokens, &signed(&Header { alg: Algorithm::HS512, ..ours() }, claims(), KEY)).is_err());
        assert!(check(&tokens, "").is_err());
        assert!(check(&tokens, "a.b.c").is_err());
    }

    #[test]
    fn unsigned_and_tampered_tokens_are_refused() {
        use base64::Engine;
        let encode = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let tokens = AccessTokens::new(KEY, None, EPOCH);
        for algorithm in ["none", "None", "NONE"] {
            let header = format!(r#"{{"typ":"at+jwt","alg":"{algorithm}"}}"#);
            let token = format!("{}.{}.", encode(header), encode(claims().to_string()));
            assert!(check(&tokens, &token).is_err(), "{algorithm}");
        }
        let good = signed(&ours(), claims(), KEY);
        let (front, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = front.split_once('.').unwrap();
        let mut forged = claims();
        forged["sub"] = "8".into();
        assert!(check(&tokens, &format!("{header}.{}.{signature}", encode(forged.to_string()))).is_err());
    }

    #[test]
    fn a_token_expires_on_the_second_and_a_longer_one_is_refused() {
        let ending = |seconds: i64| {
            let mut claims = claims();
            claims["exp"] = (NOW.as_millis() / 1000 + seconds).into();
            check(&AccessTokens::new(KEY, None, EPOCH), &signed(&ours(), claims, KEY)).map(drop)
        };
        assert_eq!(ending(0).unwrap_err().detail(), "token expired");
        assert!(ending(1).is_ok());
        assert!(ending(930).is_ok(), "the issuing node's clock is ahead");
        assert_eq!(ending(931).unwrap_err().detail(), "token invalid");
    }
}
