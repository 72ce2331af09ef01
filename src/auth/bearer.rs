//! Bearer tokens that a request or a frame may carry: the hub's own tokens and those of another
//! system. The algorithm in the header selects the keys, and each side has its own algorithms. The
//! claims of the token have no influence on this.

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

/// The content of a valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    pub subject: TokenSubject,
    pub expires_at: Timestamp,
}

/// The subject that a token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSubject {
    /// The subject of the hub's own token.
    Login(UserId, LoginId),
    /// The subject of another system's token.
    ExternalUser(ExternalUser),
}

impl BearerTokens {
    /// Verifies a token of either kind.
    ///
    /// # Errors
    /// `TokenRefused`: the token expired, or this hub does not accept it.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Bearer> {
        let header = jws::header(token)?;
        if header.alg == Algorithm::HS256 {
            let (user_id, login_id, expires_at) = self.ours.verify(token, &header, now)?;
            return Ok(Bearer { subject: TokenSubject::Login(user_id, login_id), expires_at });
        }
        let unset = || refused(format!("alg {:?} needs JWT_PUBLIC_KEY_FILE, which is empty", header.alg));
        let (external_user, expires_at) = self.external.as_ref().ok_or_else(unset)?.verify(token, &header, now)?;
        Ok(Bearer { subject: TokenSubject::ExternalUser(external_user), expires_at })
    }
}
