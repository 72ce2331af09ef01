//! Who is asking: passwords, session tokens and access tokens. Mechanisms
//! only; which logins exist is the store's to know.

mod access;
mod password;
mod token;

pub use access::AccessTokens;
pub use password::Passwords;
pub use token::{SessionToken, TOKEN_HASH_BYTES, hash_token};

use crate::ids::{LoginId, SessionId, UserId};

/// Somebody whose login was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub user_id: UserId,
    pub login_id: LoginId,
    /// The socket they ask by; none over REST.
    pub session_id: Option<SessionId>,
}
