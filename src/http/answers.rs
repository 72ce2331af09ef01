//! Limits the bytes of the answers that wait to be read, per user and for the node.
//!
//! At most one answer of a socket waits. A user may have many sockets, and an answer may be large.
//! Therefore a user's next operation waits until the client takes the user's earlier answers. When
//! the answers of all users exceed the limit of the node, the hub drops the answer that has waited
//! longest. A healthy client takes an answer within milliseconds, so the hub never drops its
//! answers.

use crate::error::{Error, Result};
use crate::ids::UserId;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The bytes that an answer counts as before its size is known: the most that `sync` sends at once.
const RESERVED: usize = 1 << 20;

const NOT_READ: Error = Error::Unavailable("your earlier answers have not been read yet: read them, then ask again");

/// Limits in bytes. One answer always passes, however large it is.
#[derive(Clone, Copy, Debug)]
pub struct AnswerSettings {
    pub per_person: usize,
    pub in_all: usize,
    /// The longest time that an operation waits for the client to take the user's earlier answers.
    pub patience: Duration,
}

impl Default for AnswerSettings {
    fn default() -> Self {
        Self { per_person: 4 << 20, in_all: 48 << 20, patience: Duration::from_secs(10) }
    }
}

/// The waiting answers of this node. Cheap to clone.
#[derive(Clone)]
pub struct Answers(Arc<Shared>);

struct Shared {
    settings: AnswerSettings,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    people: HashMap<UserId, Person>,
    /// Answers that are written but not yet taken, in the order in which they began to wait.
    waiting: BTreeMap<u64, Waiting>,
    in_all: usize,
    numbers: u64,
}

#[derive(Default)]
struct Person {
    /// The reserved bytes, plus the bytes of the waiting answers.
    bytes: usize,
    /// The operations that wait for room.
    queue: VecDeque<oneshot::Sender<Share>>,
}

struct Waiting {
    bytes: usize,
    give_up: GiveUp,
}

type GiveUp = Box<dyn FnOnce() + Send>;

/// Room for one answer. Dropping it gives the room back.
pub struct Share {
    shared: Arc<Shared>,
    user_id: UserId,
    bytes: usize,
    /// The number of the answer, once it waits.
    number: Option<u64>,
}

impl Answers {
    pub fn new(settings: AnswerSettings) -> Self {
        Self(Arc::new(Shared { settings, ledger: Mutex::default() }))
    }

    /// Reserves room for an answer that is not computed yet. Waits until the client takes the
    /// user's earlier answers.
    ///
    /// # Errors
    /// `Unavailable` if the client does not take them in time.
    pub async fn reserve(&self, user_id: UserId) -> Result<Share> {
        let coming = {
            let mut ledger = self.0.ledger();
            let person = ledger.people.entry(user_id).or_default();
            if person.queue.is_empty() && self.0.has_room(person.bytes, RESERVED) {
                person.bytes += RESERVED;
                return Ok(self.0.share(user_id, RESERVED));
            }
            let (sender, coming) = oneshot::channel();
            person.queue.push_back(sender);
            coming
        };
        match timeout(self.0.settings.patience, coming).await {
            Ok(Ok(share)) => Ok(share),
            _ => Err(NOT_READ),
        }
    }

    /// Takes room for an answer that is already computed.
    ///
    /// # Errors
    /// `Unavailable` if too many bytes of the user's answers wait.
    pub fn take(&self, user_id: UserId, bytes: usize) -> Result<Share> {
        let mut ledger = self.0.ledger();
        let person = ledger.people.entry(user_id).or_default();
        if !self.0.has_room(person.bytes, bytes) {
            return Err(NOT_READ);
        }
        person.bytes += bytes;
        Ok(self.0.share(user_id, bytes))
    }
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self, used: usize, bytes: usize) -> bool {
        used == 0 || used.saturating_add(bytes) <= self.settings.per_person
    }

    fn share(self: &Arc<Self>, user_id: UserId, bytes: usize) -> Share {
        Share { shared: Arc::clone(self), user_id, bytes, number: None }
    }

    /// Gives back some bytes of a user, and starts the queued operations for which there is room
    /// now.
    fn give_back(self: &Arc<Self>, user_id: UserId, bytes: usize) {
        let mut unwanted = Vec::new();
        let mut ledger = self.ledger();
        let Some(person) = ledger.people.get_mut(&user_id) else { return };
        person.bytes -= bytes;
        while self.has_room(person.bytes, RESERVED)
            && let Some(next) = person.queue.pop_front()
        {
            // The receiver is gone when the operation timed out.
            match next.send(self.share(user_id, RESERVED)) {
                Ok(()) => person.bytes += RESERVED,
                Err(share) => unwanted.push(share),
            }
        }
        if person.bytes == 0 {
            ledger.people.remove(&user_id);
        }
        drop(ledger);
        // No bytes were reserved for these.
        unwanted.into_iter().for_each(|mut share| share.bytes = 0);
    }
}

impl Share {
    /// Marks the answer as written, with this many bytes, and waiting to be taken. When the node
    /// has no room and this answer has waited longest, `give_up` drops it.
    pub fn wait(&mut self, bytes: usize, give_up: impl FnOnce() + Send + 'static) {
        let mut given_up = Vec::new();
        let mut ledger = self.shared.ledger();
        if let Some(person) = ledger.people.get_mut(&self.user_id) {
            person.bytes += bytes;
        }
        ledger.numbers += 1;
        let number = ledger.numbers;
        ledger.in_all += bytes;
        ledger.waiting.insert(number, Waiting { bytes, give_up: Box::new(give_up) });
        while ledger.in_all > self.shared.settings.in_all
            && let Some(oldest) = ledger.waiting.first_entry().filter(|oldest| *oldest.key() != number)
        {
            let oldest = oldest.remove();
            ledger.in_all -= oldest.bytes;
            given_up.push(oldest.give_up);
        }
        drop(ledger);
        self.number = Some(number);
        let reserved = std::mem::replace(&mut self.bytes, bytes);
        self.shared.give_back(self.user_id, reserved);
        given_up.into_iter().for_each(|give_up| give_up());
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let mut ledger = self.shared.ledger();
            // The entry is missing if the answer was dropped.
            let waited = ledger.waiting.remove(&number);
            ledger.in_all -= waited.as_ref().map_or(0, |waited| waited.bytes);
            drop(ledger);
        }
        self.shared.give_back(self.user_id, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const ANN: UserId = UserId::new(1);
    const BOB: UserId = UserId::new(2);
    const SETTINGS: AnswerSettings =
        AnswerSettings { per_person: 2 * RESERVED, in_all: 3 * RESERVED, patience: Duration::from_secs(60) };

    fn is_empty(answers: &Answers) -> bool {
        let ledger = answers.0.ledger();
        ledger.people.is_empty() && ledger.waiting.is_empty() && ledger.in_all == 0
    }

    #[actix_web::test]
    async fn an_operation_waits_while_the_user_has_unread_answers() {
        let answers = Answers::new(SETTINGS);
        let mut one = answers.reserve(ANN).await.unwrap();
        let two = answers.reserve(ANN).await.unwrap();
        let other = answers.reserve(BOB).await.unwrap();
        one.wait(RESERVED, || panic!("there is room"));
        let third = answers.reserve(ANN);
        tokio::pin!(third);
        assert!(futures_util::poll!(third.as_mut()).is_pending());
        drop(two);
        let third = third.await.unwrap();
        drop((one, third, other));
        assert!(is_empty(&answers));
    }

    #[actix_web::test]
    async fn a_small_answer_leaves_room_for_the_next_operation() {
        let answers = Answers::new(SETTINGS);
        let (mut one, mut two) = (answers.reserve(ANN).await.unwrap(), answers.reserve(ANN).await.unwrap());
        one.wait(RESERVED / 2, || ());
        let third = answers.reserve(ANN);
        tokio::pin!(third);
        assert!(futures_util::poll!(third.as_mut()).is_pending(), "half of the space is missing");
        two.wait(RESERVED / 2, || ());
        third.await.unwrap();
    }

    #[actix_web::test]
    async fn an_operation_that_waits_too_long_is_refused_and_cleaned_up() {
        let answers = Answers::new(AnswerSettings { patience: Duration::ZERO, ..SETTINGS });
        let held = [answers.reserve(ANN).await.unwrap(), answers.reserve(ANN).await.unwrap()];
        assert!(matches!(answers.reserve(ANN).await, Err(Error::Unavailable(_))));
        drop(held);
        assert!(is_empty(&answers));
    }

    #[actix_web::test]
    async fn a_full_node_drops_the_longest_waiting_answer() {
        let answers = Answers::new(SETTINGS);
        let (tell, given_up) = mpsc::channel();
        let mut shares = Vec::new();
        for user in 1..=4 {
            let tell = tell.clone();
            let mut share = answers.reserve(UserId::new(user)).await.unwrap();
            share.wait(RESERVED, move || tell.send(user).unwrap());
            shares.push(share);
            let expected: &[i64] = if user == 4 { &[1] } else { &[] };
            assert_eq!(given_up.try_iter().collect::<Vec<_>>(), expected);
        }
        let mut large = answers.reserve(ANN).await.unwrap();
        large.wait(5 * RESERVED, || panic!("the last answer is never dropped"));
        assert_eq!(given_up.try_iter().collect::<Vec<_>>(), [2, 3, 4]);
        drop((shares, large));
        assert!(is_empty(&answers));
    }

    #[test]
    fn a_ready_answer_passes_within_the_limit_or_when_alone() {
        let answers = Answers::new(SETTINGS);
        let large = answers.take(ANN, 5 * RESERVED).unwrap();
        assert!(answers.take(ANN, 1).is_err());
        drop(large);
        let within = [answers.take(ANN, RESERVED).unwrap(), answers.take(ANN, RESERVED).unwrap()];
        assert!(answers.take(ANN, 1).is_err());
        drop(within);
        assert!(is_empty(&answers));
    }
}
