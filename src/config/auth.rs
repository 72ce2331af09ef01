//! Settings for registration and authentication.

use super::reader::{BadSetting, Reader, claim, one_of, span};
use super::settings::settings;
use super::values::Secret;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

settings! {
    /// Settings for registration and authentication.
    pub struct Auth {
        /// `REGISTRATION`: whether new users may register.
        pub registration: Registration = required(
            "REGISTRATION",
            "open",
            one_of([("open", Registration::Open), ("closed", Registration::Closed)]),
        ),
        /// `LOGIN_LIFETIME`: how long an unused login stays valid, 10m to 400d.
        // A shorter lifetime would end logins that are in use, because the hub records the use of a
        // login every five minutes at most. Browsers forget a cookie after 400 days.
        pub login_lifetime: Duration = required("LOGIN_LIFETIME", "14d", span("10m", "400d")),
        /// `JWT_SECRET`: the key of access tokens. By default the hub creates one and stores it in
        /// `data_dir`.
        pub jwt_secret: Option<Secret> = secret("JWT_SECRET", Secret::from_str),
        /// `JWT_SECRET_PREVIOUS`: a key that still verifies but never signs; for a rotation.
        pub jwt_secret_previous: Option<Secret> = secret("JWT_SECRET_PREVIOUS", Secret::from_str),
        /// The other system whose tokens this hub accepts.
        pub external: Option<ExternalIssuer> = with(external_issuer),
    }
}

/// Another system that signs tokens; all three settings are set, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalIssuer {
    /// `JWT_PUBLIC_KEY_FILE`: path of the key file. This module does not open it.
    pub key_file: PathBuf,
    /// `JWT_ISSUER`: the required `iss` of its tokens.
    pub issuer: String,
    /// `JWT_AUDIENCE`: the required `aud` of its tokens, which names this hub.
    pub audience: String,
}

/// `REGISTRATION`: whether new users may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Anyone may register.
    Open,
    /// Registration is refused; existing accounts stay.
    Closed,
}

/// Reads the three settings; each is meaningful only with the others.
fn external_issuer(env: &mut Reader) -> Result<Option<ExternalIssuer>, BadSetting> {
    const NAMES: [&str; 3] = ["JWT_PUBLIC_KEY_FILE", "JWT_ISSUER", "JWT_AUDIENCE"];
    let [file, issuer, audience] = NAMES;
    let key_file = env.optional(file, |text| Ok(PathBuf::from(text)))?;
    match (key_file, env.optional(issuer, claim)?, env.optional(audience, claim)?) {
        (Some(key_file), Some(issuer), Some(audience)) => Ok(Some(ExternalIssuer { key_file, issuer, audience })),
        (None, None, None) => Ok(None),
        _ => {
            let (set, empty): (Vec<_>, Vec<_>) = NAMES.into_iter().partition(|name| !env.shown(name).is_empty());
            Err(env.bad(set[0], format!("set {} too", empty.join(" and "))))
        }
    }
}
