//! Passwords: argon2id hashing outside the socket workers, with a bounded number of hashes at once.
//!
//! The parameters are OWASP's minimum for argon2id (19 MiB, two passes, a parallelism of one),
//! which is also the library's default. They are stored with each hash, so that they can be raised
//! later and old hashes stay valid.

use super::fair_queue::FairQueue;
use crate::background;
use crate::error::{Error, Result};
use crate::text::opaque_string;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use tokio::sync::oneshot;

/// Maximum number of hashing threads. The hub uses half as many threads as cores, up to this
/// maximum, so that messages have the other half. Each thread keeps its 19 MiB: an allocator that
/// is asked for so much repeatedly keeps gigabytes.
const MAX_THREADS: usize = 4;
/// Maximum number of passwords that wait. At about 30 ms a hash this is half a second of them.
/// Addresses take turns. When the queue is full, the address with the most waiting passwords gives
/// up a place to another.
const MAX_WAITING: usize = 64;

fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from).div_ceil(2).min(MAX_THREADS)
}

/// Working memory of argon2; it grows to the size that the parameters need.
type Memory = Vec<Block>;

/// A hashing job. It is called without memory when the queue has no place for it, so that its
/// caller gets an answer.
type Work = Box<dyn FnOnce(Option<&mut Memory>) + Send>;

/// Hashes and verifies passwords; cheap to clone. The threads end with the last clone.
#[derive(Clone)]
pub struct Passwords {
    queue: Arc<Queue>,
    /// Address of the caller; an IPv6 address counts as its /64 network.
    address: IpAddr,
    /// Hash of a random password. It is verified for unknown users, so that their answer takes the
    /// same time.
    decoy: Arc<str>,
}

struct Queue {
    waiting: Arc<Waiting>,
}

struct Waiting {
    work: Mutex<Option<FairQueue<IpAddr, Work>>>,
    /// Notified when there is work, and when no more work can come.
    changed: Condvar,
}

impl Waiting {
    fn work(&self) -> MutexGuard<'_, Option<FairQueue<IpAddr, Work>>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds work. Returns the work for which there is no place.
    fn push(&self, address: IpAddr, work: Work) -> Option<Work> {
        let displaced = match &mut *self.work() {
            Some(queue) => queue.push(address, work),
            None => Some(work),
        };
        self.changed.notify_one();
        displaced
    }

    /// Waits for the next work; none when no clone is left to add any.
    fn pop(&self) -> Option<Work> {
        let mut work = self.work();
        loop {
            match work.as_mut()?.pop() {
                Some(next) => return Some(next),
                None => work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        *self.waiting.work() = None;
        self.waiting.changed.notify_all();
    }
}

impl Passwords {
    pub fn new() -> Result<Self> {
        let jobs = Mutex::new(Some(FairQueue::new(MAX_WAITING)));
        let waiting = Arc::new(Waiting { work: jobs, changed: Condvar::new() });
        // From here on, any failure ends the threads.
        let queue = Arc::new(Queue { waiting: Arc::clone(&waiting) });
        for number in 1..=threads() {
            let waiting = Arc::clone(&waiting);
            background::spawn(format!("password-{number}"), move || work(&waiting))
                .map_err(|error| Error::Internal(error.into()))?;
        }
        let nobody_knows = crate::clock::random_bytes::<32>();
        let address = Ipv6Addr::UNSPECIFIED.into();
        Ok(Self { queue, address, decoy: hash(&nobody_knows, &mut Memory::new())?.into() })
    }

    /// Returns a clone for a caller at this address, which shares the queue with other addresses.
    pub fn of(&self, address: IpAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// Hashes the normalized password. Returns the hash to store, in PHC string format with its
    /// parameters and salt.
    ///
    /// # Errors
    /// `Unavailable` when too many passwords wait.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.in_turn(move |memory| hash(opaque_string(&password).as_bytes(), memory)).await
    }

    /// Verifies the password against `stored`. `None` means that the user does not exist, and costs
    /// the same time.
    ///
    /// The password is normalized before it is verified. A password that normalization changes is
    /// also verified as typed, because hashes were once made of that form. A wrong password then
    /// costs two hashes, whether or not the user exists.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<Verdict> {
        let exists = stored.is_some();
        let decoy = Arc::clone(&self.decoy);
        self.in_turn(move |memory| {
            let stored = stored.as_deref().unwrap_or(&decoy);
            let form = opaque_string(&password);
            let is_current = is_behind(form.as_bytes(), stored, memory)?;
            let is_as_typed = !is_current && *form != *password && is_behind(password.as_bytes(), stored, memory)?;
            Ok(match (exists, is_current, is_as_typed) {
                (true, true, _) if !is_weaker(stored, &decoy) => Verdict::Right,
                (true, true, _) | (true, _, true) => Verdict::RightButOutdated,
                _ => Verdict::Wrong,
            })
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        // A send fails when the request was dropped; no caller is left to answer.
        let work: Work = Box::new(move |memory| {
            let outcome = match memory {
                Some(memory) => work(memory),
                None => Err(Error::Unavailable("too many passwords wait to be checked; try again in a moment")),
            };
            drop(reply.send(outcome));
        });
        if let Some(displaced) = self.queue.waiting.push(self.address, work) {
            displaced(None);
        }
        answer.await.map_err(|_| Error::bug("a password thread panicked"))?
    }
}

/// The result of verifying a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// The password is right, but its hash is outdated. It was made of another form of the password
    /// or with weaker parameters. The caller must store a new hash.
    RightButOutdated,
}

/// Returns whether a hash was made with parameters other than today's.
fn is_weaker(stored: &str, today: &str) -> bool {
    let parameters = |text: &str| text.rsplit('$').nth(2).map(str::to_owned);
    parameters(stored) != parameters(today)
}

/// Runs queued work until no more can come.
fn work(waiting: &Waiting) {
    let mut memory = Memory::new();
    while let Some(work) = waiting.pop() {
        work(Some(&mut memory));
    }
}

/// Hashes a password at once on the calling thread; for the command line.
pub fn hash_password(password: &str) -> Result<String> {
    hash(opaque_string(password).as_bytes(), &mut Memory::new())
}

fn hash(password: &[u8], memory: &mut Memory) -> Result<String> {
    let salt = crate::clock::random_bytes::<16>();
    let params = Params::default();
    let output = derive(Algorithm::default(), Version::default(), &params, (password, &salt), memory)?;
    let hash = PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: ParamsString::try_from(&params).map_err(internal)?,
        salt: Some(Salt::new(&salt).map_err(internal)?),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// Verifies the password against the stored hash, in constant time.
fn is_behind(password: &[u8], stored: &str, memory: &mut Memory) -> Result<bool> {
    let stored = PasswordHash::new(stored).map_err(internal)?;
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(internal)?;
    let version = stored.version.map_or(Ok(Version::default()), Version::try_from).map_err(internal)?;
    let params = Params::try_from(&stored).map_err(internal)?;
    let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else {
        return Err(Error::bug("a stored hash has a salt and an output"));
    };
    Ok(derive(algorithm, version, &params, (password, &salt), memory)? == expected)
}

fn derive(
    algorithm: Algorithm,
    version: Version,
    params: &Params,
    (password, salt): (&[u8], &[u8]),
    memory: &mut Memory,
) -> Result<Output> {
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::default());
    }
    let mut output = vec![0; params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
    let argon2 = Argon2::new(algorithm, version, params.clone());
    argon2.hash_password_into_with_memory(password, salt, &mut output, memory).map_err(internal)?;
    Output::new(&output).map_err(internal)
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::Internal(error.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{SyncSender, sync_channel};

    #[tokio::test]
    async fn a_hash_is_argon2id_with_its_parameters_and_a_unique_salt() {
        let passwords = Passwords::new().unwrap();
        let one = passwords.hash("correct horse".into()).await.unwrap();
        let other = passwords.hash("correct horse".into()).await.unwrap();
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        let verdict = async |stored: String| passwords.verify("correct horse".into(), Some(stored)).await.unwrap();
        assert_eq!(verdict(one).await, Verdict::Right);
        let params = Params::new(19_456, 1, 1, None).unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let weaker = argon2::PasswordHasher::hash_password_with_salt(&argon2, b"correct horse", b"salt of 16 bytes");
        assert_eq!(verdict(weaker.unwrap().to_string()).await, Verdict::RightButOutdated);
    }

    #[tokio::test]
    async fn any_unicode_form_matches_and_an_old_hash_is_outdated() {
        const FORMS: [&str; 2] = ["Gänseblümchen", "Ga\u{308}nseblu\u{308}mchen"];
        let passwords = Passwords::new().unwrap();
        let verdict =
            async |typed: &str, stored: &str| passwords.verify(typed.into(), Some(stored.into())).await.unwrap();
        for typed in FORMS {
            let stored = passwords.hash(typed.into()).await.unwrap();
            for again in FORMS {
                assert_eq!(verdict(again, &stored).await, Verdict::Right, "{typed:?} {again:?}");
            }
            assert_eq!(verdict("Ga\u{308}nseblumchen", &stored).await, Verdict::Wrong);
        }
        let old = hash(FORMS[1].as_bytes(), &mut Memory::new()).unwrap();
        assert_eq!(verdict(FORMS[1], &old).await, Verdict::RightButOutdated);
        assert_eq!(verdict(FORMS[0], &old).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn every_byte_of_a_password_counts_and_no_hash_never_matches() {
        let passwords = Passwords::new().unwrap();
        let long = "x".repeat(1023);
        let stored = passwords.hash(format!("{long}a")).await.unwrap();
        assert_eq!(passwords.verify(format!("{long}a"), Some(stored.clone())).await.unwrap(), Verdict::Right);
        assert_eq!(passwords.verify(format!("{long}b"), Some(stored)).await.unwrap(), Verdict::Wrong);
        assert_eq!(passwords.verify(String::new(), None).await.unwrap(), Verdict::Wrong);
    }

    /// Returns a queue whose threads are all busy until the gates are dropped.
    fn busy() -> (Passwords, Vec<SyncSender<()>>) {
        let passwords = Passwords::new().unwrap();
        let gates = (0..threads()).map(|_| {
            let ((gate, is_open), (entered, is_entered)) = (sync_channel::<()>(1), sync_channel(1));
            let work: Work = Box::new(move |_| {
                entered.send(()).unwrap();
                assert!(is_open.recv().is_err());
            });
            assert!(passwords.queue.waiting.push(passwords.address, work).is_none());
            is_entered.recv().unwrap();
            gate
        });
        let gates = gates.collect();
        (passwords, gates)
    }

    #[tokio::test]
    async fn au_2_a_full_queue_refuses_and_recovers_afterwards() {
        let (passwords, gates) = busy();
        for _ in 0..MAX_WAITING {
            assert!(passwords.queue.waiting.push(passwords.address, Box::new(|_| {})).is_none());
        }
        assert!(matches!(passwords.hash("x".into()).await, Err(Error::Unavailable(_))));
        drop(gates);
        let again = async {
            while passwords.hash("x".into()).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), again).await.expect("there is room again");
    }

    #[tokio::test]
    async fn au_2_a_full_queue_serves_another_address_next() {
        let (passwords, gates) = busy();
        let [flood, ann] = ["192.0.2.1", "192.0.2.2"].map(|address| passwords.of(address.parse().unwrap()));
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |who: &'static str| -> Work {
            let order = Arc::clone(&order);
            Box::new(move |memory| {
                let what = if memory.is_some() { "done" } else { "refused" };
                order.lock().unwrap().push((who, what));
            })
        };
        for _ in 0..MAX_WAITING {
            assert!(flood.queue.waiting.push(flood.address, note("flood")).is_none());
        }
        let displaced = ann.queue.waiting.push(ann.address, note("ann")).expect("a waiting job is displaced");
        displaced(None);
        assert_eq!(*order.lock().unwrap(), [("flood", "refused")]);
        drop(gates);
        let all = async {
            while order.lock().unwrap().len() <= MAX_WAITING {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), all).await.expect("all have their turn");
        let place = order.lock().unwrap().iter().position(|(who, _)| *who == "ann").unwrap();
        assert!(place <= 1 + threads(), "after {place} others");
    }
}
