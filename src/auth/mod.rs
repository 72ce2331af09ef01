//! Who is asking: passwords, secrets of logins, and signed tokens, ours and
//! those of another system. Mechanisms only; which logins exist is the store's
//! to know.

mod access;
mod bearer;
mod external;
mod fair_queue;
mod jws;
mod password;
mod public_keys;
mod token;

pub use access::AccessTokens;
pub use bearer::{Bearer, BearerTokens, Holder};
pub use external::{ExternalTokens, ExternalUser};
pub use password::{Passwords, Verdict, hash_password};
pub use token::{SecretToken, TOKEN_HASH_BYTES, hash_token};

use crate::ids::{LoginId, SessionId, UserId};

/// Somebody whose login was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub user_id: UserId,
    /// None for whom another system vouches for: their logins are its own.
    pub login_id: Option<LoginId>,
    /// The socket they ask by; none over REST.
    pub session_id: Option<SessionId>,
}
