//! Passwords: argon2id, off the socket workers, a bounded number at once.
//!
//! The parameters are OWASP's minimum for argon2id (19 MiB, two passes, one
//! lane), which is also the library's default; they are stored with each
//! hash, so they can be raised later and old hashes stay valid.

use crate::error::{Error, Result};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// Hashes at once: 4 × 19 MiB, and not more than the cores can take.
const MAX_AT_ONCE: usize = 4;
/// Who may wait for a turn; at about 30 ms a hash, half a second of them.
const MAX_WAITING: usize = 64;

/// Hashes and checks passwords; cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    queued: Arc<AtomicUsize>,
    /// Hash of nothing anybody knows: checked for unknown users, so that an
    /// answer takes the same time for them.
    decoy: Arc<str>,
}

impl Passwords {
    pub fn new() -> Result<Self> {
        let nobody_knows = crate::clock::random_bytes::<32>();
        Ok(Self {
            turns: Arc::new(Semaphore::new(MAX_AT_ONCE)),
            queued: Arc::default(),
            decoy: hash(&nobody_knows)?.into(),
        })
    }

    /// The hash to store, in PHC string format with its parameters and salt.
    ///
    /// # Errors
    /// `Unavailable` when too many are waiting for their turn.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.in_turn(move || hash(password.as_bytes())).await
    }

    /// Whether the password is the one behind `stored`; none means that there
    /// is no such user, and costs the same.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool> {
        let exists = stored.is_some();
        let decoy = Arc::clone(&self.decoy);
        self.in_turn(move || {
            let hash = stored.as_deref().unwrap_or(&decoy);
            let parsed = PasswordHash::new(hash).map_err(|error| Error::Internal(error.to_string().into()))?;
            let matches = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
            Ok(matches && exists)
        })
        .await
    }

    /// Whether the hash was made with weaker parameters than today's.
    pub fn is_outdated(&self, stored: &str) -> bool {
        let parameters = |text: &str| text.rsplit('$').nth(2).map(str::to_owned);
        parameters(stored) != parameters(&self.decoy)
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let _place = Place::take(&self.queued)?;
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| Error::bug("the semaphore of the password threads is never closed"))?;
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(|panic| Error::Internal(panic.into()))?
    }
}

/// A place among those who hash or wait; given back however the wait ends.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(queued: &Arc<AtomicUsize>) -> Result<Self> {
        let place = Self(Arc::clone(queued));
        let before = queued.fetch_add(1, Ordering::SeqCst);
        match before < MAX_AT_ONCE + MAX_WAITING {
            true => Ok(place),
            false => Err(Error::Unavailable("too many logins at once")),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn hash(password: &[u8]) -> Result<String> {
    let hash = Argon2::default().hash_password(password).map_err(|error| Error::Internal(error.to_string().into()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_argon2id_with_its_parameters_and_a_salt_of_its_own() {
        let passwords = Passwords::new().unwrap();
        let one = passwords.hash("correct horse".into()).await.unwrap();
        let other = passwords.hash("correct horse".into()).await.unwrap();
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        assert!(!passwords.is_outdated(&one));
        assert!(passwords.is_outdated(&one.replace("t=2", "t=1")));
    }

    #[tokio::test]
    async fn only_the_whole_password_is_right_and_nobody_is_never_right() {
        let passwords = Passwords::new().unwrap();
        let long = "x".repeat(1023);
        let stored = passwords.hash(format!("{long}a")).await.unwrap();
        assert!(passwords.verify(format!("{long}a"), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify(format!("{long}b"), Some(stored)).await.unwrap());
        assert!(!passwords.verify(String::new(), None).await.unwrap());
    }

    #[tokio::test]
    async fn too_many_at_once_are_refused_and_the_next_pass_again() {
        let passwords = Passwords::new().unwrap();
        let places: Vec<_> = (0..MAX_AT_ONCE + MAX_WAITING).map(|_| Place::take(&passwords.queued).unwrap()).collect();
        assert!(matches!(passwords.hash("x".into()).await, Err(Error::Unavailable(_))));
        drop(places);
        assert!(passwords.hash("x".into()).await.is_ok());
    }
}
