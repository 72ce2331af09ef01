//! Bytes of answers that wait for their readers: of each person, and of the node.
//!
//! A socket has one answer at most that waits, but a person has many sockets, and an answer may be
//! large. So the next operation of a person waits until their earlier answers are taken. And where
//! the answers of all people are too many bytes, the one that waited longest is given up: healthy
//! clients take theirs within milliseconds, so it is never theirs.

use crate::error::{Error, Result};
use crate::ids::UserId;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What an answer counts as before its size is known: the most that `sync` sends at once.
const RESERVED: usize = 1 << 20;

const NOT_READ: Error = Error::Unavailable("your earlier answers have not been read yet: read them, then ask again");

/// Bounds in bytes. One answer always passes, however large it is.
#[derive(Clone, Copy, Debug)]
pub struct AnswerSettings {
    pub per_person: usize,
    pub in_all: usize,
    /// For how long an operation waits for its person's earlier answers to be taken.
    pub patience: Duration,
}

impl Default for AnswerSettings {
    fn default() -> Self {
        Self { per_person: 4 << 20, in_all: 48 << 20, patience: Duration::from_secs(10) }
    }
}

/// The answers of this node: cheap to clone.
#[derive(Clone)]
pub struct Answers(Arc<Shared>);

struct Shared {
    settings: AnswerSettings,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    people: HashMap<UserId, Person>,
    /// Answers that are written and not taken, in the order in which they began to wait.
    waiting: BTreeMap<u64, Waiting>,
    in_all: usize,
    numbers: u64,
}

#[derive(Default)]
struct Person {
    /// Reserved, and of answers that wait.
    bytes: usize,
    /// Operations that wait for room.
    queue: VecDeque<oneshot::Sender<Share>>,
}

struct Waiting {
    bytes: usize,
    give_up: GiveUp,
}

type GiveUp = Box<dyn FnOnce() + Send>;

/// Room for one answer; dropping it gives the room back.
pub struct Share {
    shared: Arc<Shared>,
    user_id: UserId,
    bytes: usize,
    /// Of the answer, once it waits.
    number: Option<u64>,
}

impl Answers {
    pub fn new(settings: AnswerSettings) -> Self {
        Self(Arc::new(Shared { settings, ledger: Mutex::default() }))
    }

    /// Room for an answer that is to be worked out. Waits for the person's earlier answers to be
    /// taken.
    ///
    /// # Errors
    /// `Unavailable` when they are not.
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

    /// Room for an answer that is worked out already.
    ///
    /// # Errors
    /// `Unavailable` when too much of the person's waits.
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

    /// Gives bytes of a person back, and lets those operations begin for which there is room now.
    fn give_back(self: &Arc<Self>, user_id: UserId, bytes: usize) {
        let mut unwanted = Vec::new();
        let mut ledger = self.ledger();
        let Some(person) = ledger.people.get_mut(&user_id) else { return };
        person.bytes -= bytes;
        while self.has_room(person.bytes, RESERVED)
            && let Some(next) = person.queue.pop_front()
        {
            // Nobody waits any more where the time was over.
            match next.send(self.share(user_id, RESERVED)) {
                Ok(()) => person.bytes += RESERVED,
                Err(share) => unwanted.push(share),
            }
        }
        if person.bytes == 0 {
            ledger.people.remove(&user_id);
        }
        drop(ledger);
        // Nothing was taken for these.
        unwanted.into_iter().for_each(|mut share| share.bytes = 0);
    }
}

impl Share {
    /// The answer is written, has so many bytes and waits to be taken. It is given up by `give_up`
    /// when it is the one that waits longest and the node has no room.
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
            // Not there any more when it was given up.
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
    async fn an_operation_waits_while_its_persons_answers_are_not_taken() {
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
        assert!(futures_util::poll!(third.as_mut()).is_pending(), "half of it is missing");
        two.wait(RESERVED / 2, || ());
        third.await.unwrap();
    }

    #[actix_web::test]
    async fn an_operation_that_waits_too_long_is_refused_and_leaves_nothing() {
        let answers = Answers::new(AnswerSettings { patience: Duration::ZERO, ..SETTINGS });
        let held = [answers.reserve(ANN).await.unwrap(), answers.reserve(ANN).await.unwrap()];
        assert!(matches!(answers.reserve(ANN).await, Err(Error::Unavailable(_))));
        drop(held);
        assert!(is_empty(&answers));
    }

    #[actix_web::test]
    async fn the_answer_that_waited_longest_is_given_up_when_the_node_is_full() {
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
        large.wait(5 * RESERVED, || panic!("the last is never given up"));
        assert_eq!(given_up.try_iter().collect::<Vec<_>>(), [2, 3, 4]);
        drop((shares, large));
        assert!(is_empty(&answers));
    }

    #[test]
    fn an_answer_that_is_there_already_passes_within_the_bound_and_alone() {
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
