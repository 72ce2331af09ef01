//! Authentication mechanisms: passwords, login secrets, and signed tokens of the hub and of another
//! system. The store decides which logins exist.

mod access;
mod bearer;
mod external;
mod fair_queue;
mod jws;
mod password;
mod public_keys;
mod token;

pub use access::AccessTokens;
pub use bearer::{Bearer, BearerTokens, TokenSubject};
pub use external::{ExternalTokens, ExternalUser};
pub use password::{Passwords, Verdict, hash_password};
pub use token::{SecretToken, TOKEN_HASH_BYTES, hash_token};

use crate::ids::{LoginId, SessionId, UserId};

/// A caller whose login was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub user_id: UserId,
    /// None for a user of another system, which keeps its own logins.
    pub login_id: Option<LoginId>,
    /// The socket that the request came by; none over REST.
    pub session_id: Option<SessionId>,
}
