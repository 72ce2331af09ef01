//! What all signed tokens have in common: the header, the signature and the
//! times.

use crate::error::{Error, Result};
use crate::ids::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How far the clock of whoever signed may be ahead of ours.
pub const LEEWAY: Duration = Duration::from_secs(30);

pub const INVALID: Error = Error::Unauthenticated("token invalid");
const EXPIRED: Error = Error::Unauthenticated("token expired");

/// The end of the year 9999; later times are nonsense.
const MAX_SECONDS: f64 = 253_402_300_799.0;

/// A time in a token: seconds since 1970, which may have a fraction.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub struct Seconds(f64);

impl Seconds {
    fn timestamp(self) -> Result<Timestamp> {
        let is_sane = (0.0..=MAX_SECONDS).contains(&self.0);
        is_sane.then_some(Timestamp::from_millis((self.0 * 1000.0) as i64)).ok_or(INVALID)
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
    let header = jsonwebtoken::decode_header(token).map_err(|_| INVALID)?;
    let points_elsewhere = header.jku.is_some() || header.jwk.is_some() || header.x5u.is_some() || header.x5c.is_some();
    match points_elsewhere || header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        true => Err(INVALID),
        false => Ok(header),
    }
}

/// The claims, when one of the keys verifies the signature by exactly this
/// algorithm.
pub fn open<'k, C: DeserializeOwned + Clone>(
    token: &str,
    keys: impl Iterator<Item = &'k DecodingKey>,
    algorithm: Algorithm,
) -> Result<C> {
    // The library checks the signature; what the claims must say, we do, by
    // our own clock.
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let mut opened = keys.filter_map(|key| jsonwebtoken::decode(token, key, &validation).ok());
    opened.next().map(|token| token.claims).ok_or(INVALID)
}

/// When the token ends.
///
/// # Errors
/// It has ended, or has not begun.
pub fn check_times(exp: Seconds, nbf: Option<Seconds>, now: Timestamp) -> Result<Timestamp> {
    let expires_at = exp.timestamp()?;
    if expires_at <= now {
        return Err(EXPIRED);
    }
    match nbf.map(Seconds::timestamp).transpose()? {
        Some(not_before) if not_before > now.after(LEEWAY) => Err(INVALID),
        _ => Ok(expires_at),
    }
}
