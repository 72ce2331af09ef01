//! The tokens that a request, or a frame, may show: ours, and those of another
//! system. Whose keys are asked is decided by the algorithm, which each of
//! them has its own of; what the token claims has no say in it.

use super::jws::{self, refused};
use super::{AccessTokens, ExternalTokens, ExternalUser};
use crate::error::Result;
use crate::ids::{LoginId, Timestamp, UserId};
use jsonwebtoken::Algorithm;

/// Checks the bearer tokens that this hub accepts.
pub struct BearerTokens {
    pub ours: AccessTokens,
    pub external: Option<ExternalTokens>,
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    pub holder: Holder,
    pub expires_at: Timestamp,
}

/// Whom it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// By a token of ours.
    Login(UserId, LoginId),
    /// By another system's.
    ExternalUser(ExternalUser),
}

impl BearerTokens {
    /// # Errors
    /// `TokenRefused`: expired, or not one that is accepted here.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Bearer> {
        let header = jws::header(token)?;
        if header.alg == Algorithm::HS256 {
            let (user_id, login_id, expires_at) = self.ours.verify(token, &header, now)?;
            return Ok(Bearer { holder: Holder::Login(user_id, login_id), expires_at });
        }
        let unset = || refused(format!("alg {:?} needs JWT_PUBLIC_KEY_FILE, which is empty", header.alg));
        let (external_user, expires_at) = self.external.as_ref().ok_or_else(unset)?.verify(token, &header, now)?;
        Ok(Bearer { holder: Holder::ExternalUser(external_user), expires_at })
    }
}
