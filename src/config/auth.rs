//! How people get in and stay in.

use super::reader::{BadSetting, Reader, claim, one_of, span};
use super::settings::settings;
use super::values::Secret;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

settings! {
    /// How people get in and stay in.
    pub struct Auth {
        /// `REGISTRATION`.
        pub registration: Registration = required(
            "REGISTRATION",
            "open",
            one_of([("open", Registration::Open), ("closed", Registration::Closed)]),
        ),
        /// `LOGIN_LIFETIME`: how long an unused login stays valid, 10m to 400d.
        // The use of a login is written down every five minutes at most, so a shorter lifetime
        // would end logins that are in use. Browsers forget a cookie after 400 days.
        pub login_lifetime: Duration = required("LOGIN_LIFETIME", "14d", span("10m", "400d")),
        /// `JWT_SECRET`: the key of access tokens; none: made once and kept in `data_dir`.
        pub jwt_secret: Option<Secret> = secret("JWT_SECRET", Secret::from_str),
        /// `JWT_SECRET_PREVIOUS`: still verifies, never signs; for a rotation.
        pub jwt_secret_previous: Option<Secret> = secret("JWT_SECRET_PREVIOUS", Secret::from_str),
        /// The other system whose tokens are good here.
        pub external: Option<ExternalIssuer> = with(external_issuer),
    }
}

/// Another system that signs tokens; all three are set, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalIssuer {
    /// `JWT_PUBLIC_KEY_FILE`: not opened here.
    pub key_file: PathBuf,
    /// `JWT_ISSUER`: what its tokens say in `iss`.
    pub issuer: String,
    /// `JWT_AUDIENCE`: what they say in `aud`, which is this hub.
    pub audience: String,
}

/// `REGISTRATION`: who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Anyone may register.
    Open,
    /// Nobody may; who has an account keeps it.
    Closed,
}

/// Each of the three means something only with the others.
fn external_issuer(env: &mut Reader) -> Result<Option<ExternalIssuer>, BadSetting> {
    const NAMES: [&str; 3] = ["JWT_PUBLIC_KEY_FILE", "JWT_ISSUER", "JWT_AUDIENCE"];
    let [file, issuer, audience] = NAMES;
    let key_file = env.optional(file, |text| Ok(PathBuf::from(text)))?;
    match (key_file, env.optional(issuer, claim)?, env.optional(audience, claim)?) {
        (Some(key_file), Some(issuer), Some(audience)) => Ok(Some(ExternalIssuer { key_file, issuer, audience })),
        (None, None, None) => Ok(None),
        _ => {
            let (set, empty): (Vec<_>, Vec<_>) = NAMES.into_iter().partition(|name| !env.shown(name).is_empty());
            Err(env.bad(set[0], format!("only together with {}", empty.join(" and "))))
        }
    }
}
