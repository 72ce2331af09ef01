//! What all signed tokens have in common: the header, the signature and the
//! times. A refusal says why, for the log: with claims only after a key has
//! verified them, and never with the token.

use crate::error::{Error, Result};
use crate::ids::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Header, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How far the clock of whoever signed may be ahead of ours.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// The error for a token that is refused, with the reason for the log.
pub fn refused(reason: impl Into<String>) -> Error {
    Error::TokenRefused { is_expired: false, reason: reason.into() }
}

/// A text of a token for the log: on one line, and not longer than is needed
/// to know it again.
pub fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 100;
    format!("'{}'", text.chars().take(MAX_CHARS).collect::<String>().escape_debug())
}

/// The end of the year 9999; later times are nonsense.
const MAX_SECONDS: f64 = 253_402_300_799.0;

/// A time in a token: seconds since 1970, which may have a fraction.
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

/// The header, when there is nothing in it that points elsewhere for a key, or
/// must be understood and is not.
pub fn header(token: &str) -> Result<Header> {
    let header =
        jsonwebtoken::decode_header(token).map_err(|_| refused("it is no JWT by an algorithm that is known here"))?;
    let points_elsewhere = header.jku.is_some() || header.jwk.is_some() || header.x5u.is_some() || header.x5c.is_some();
    match points_elsewhere || header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        true => Err(refused("its header has jku, jwk, x5u, x5c, crit, enc or zip")),
        false => Ok(header),
    }
}

/// The claims, when one of the keys verifies the signature by exactly the
/// algorithm of the header.
pub fn open<'k, C: DeserializeOwned + Clone>(
    token: &str,
    keys: impl Iterator<Item = &'k DecodingKey>,
    header: &Header,
) -> Result<C> {
    // The library checks the signature; what the claims must say, we do, by
    // our own clock.
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let kid = header.kid.as_deref().map_or_else(|| "none".to_owned(), shown);
    let mut reason = "no key is for it";
    for key in keys {
        match jsonwebtoken::decode(token, key, &validation) {
            Ok(token) => return Ok(token.claims),
            // Claims are read after the signature was verified.
            Err(error) if matches!(error.kind(), ErrorKind::Json(_)) => {
                return Err(refused("a claim that is needed is missing, or has the wrong type"));
            }
            Err(_) => reason = "no key verifies its signature",
        }
    }
    Err(refused(format!("{reason}: alg {:?}, kid {kid}", header.alg)))
}

/// When the token ends.
///
/// # Errors
/// It has ended, or has not begun.
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
