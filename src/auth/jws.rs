//! JWS parts that all signed tokens share: the header, the signature and the times. A refusal
//! states its reason for the log. The reason contains claims only after a key has verified them,
//! and never the token.

use crate::error::{Error, Result};
use crate::ids::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Header, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How far the signer's clock may be ahead of the hub's clock.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// Returns the error for a refused token, with the reason for the log.
pub fn refused(reason: impl Into<String>) -> Error {
    Error::TokenRefused { is_expired: false, reason: reason.into() }
}

/// Shortens a text of a token for the log: on one line, and only as long as needed to recognise it.
pub fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 100;
    format!("'{}'", text.chars().take(MAX_CHARS).collect::<String>().escape_debug())
}

/// The end of the year 9999; later times are invalid.
const MAX_SECONDS: f64 = 253_402_300_799.0;

/// A time in a token: seconds since 1970, possibly with a fraction.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub f64);

impl Seconds {
    pub fn timestamp(self) -> Result<Timestamp> {
        let is_sane = (0.0..=MAX_SECONDS).contains(&self.0);
        is_sane
            .then_some(Timestamp::from_millis((self.0 * 1000.0) as i64))
            .ok_or_else(|| refused("a time is not a number of seconds"))
    }
}

impl From<i64> for Seconds {
    fn from(seconds: i64) -> Self {
        Self(seconds as f64)
    }
}

/// Decodes the header. Refuses a header that points to a key elsewhere, or that has a critical
/// extension the hub does not support.
pub fn header(token: &str) -> Result<Header> {
    let header =
        jsonwebtoken::decode_header(token).map_err(|_| refused("it is not a JWT with a supported algorithm"))?;
    let points_elsewhere = header.jku.is_some() || header.jwk.is_some() || header.x5u.is_some() || header.x5c.is_some();
    match points_elsewhere || header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        true => Err(refused("its header has jku, jwk, x5u, x5c, crit, enc or zip")),
        false => Ok(header),
    }
}

/// Returns the claims if one of the keys verifies the signature with exactly the algorithm of the
/// header.
pub fn open<'k, C: DeserializeOwned + Clone>(
    token: &str,
    keys: impl Iterator<Item = &'k DecodingKey>,
    header: &Header,
) -> Result<C> {
    // The library checks only the signature; the hub checks the claims by its own clock.
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let kid = header.kid.as_deref().map_or_else(|| "none".to_owned(), shown);
    let mut reason = "no key matches it";
    for key in keys {
        match jsonwebtoken::decode(token, key, &validation) {
            Ok(token) => return Ok(token.claims),
            // The library reads the claims after it has verified the signature.
            Err(error) if matches!(error.kind(), ErrorKind::Json(_)) => {
                return Err(refused("a required claim is missing or has the wrong type"));
            }
            Err(_) => reason = "no key verifies its signature",
        }
    }
    Err(refused(format!("{reason}: alg {:?}, kid {kid}", header.alg)))
}

/// Returns the expiry time of the token.
///
/// # Errors
/// The token has expired, or is not valid yet.
pub fn check_times(exp: Seconds, nbf: Option<Seconds>, now: Timestamp) -> Result<Timestamp> {
    let expires_at = exp.timestamp()?;
    let seconds = |from: Timestamp, to: Timestamp| (to.as_millis() - from.as_millis()) / 1000;
    if expires_at <= now {
        return Err(Error::TokenRefused {
            is_expired: true,
            reason: format!("exp was {} s ago", seconds(expires_at, now)),
        });
    }
    match nbf.map(Seconds::timestamp).transpose()? {
        Some(not_before) if not_before > now.after(LEEWAY) => {
            Err(refused(format!("nbf is {} s ahead", seconds(now, not_before))))
        }
        _ => Ok(expires_at),
    }
}
