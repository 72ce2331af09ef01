//! Admission of reads: permits that stop one user, and all slow reads, from using every connection.
//!
//! A read takes its permits from the narrowest to the widest. So a user who waits for their own
//! share holds no connection. Each queue is first come, first served, except for heavy reads and
//! sessions that open: each of the two has [`FairTurns`].

use super::fair_turns::{FairTurns, Turn};
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::store::Cost;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The maximum number of reads of one user that run at the same time.
const EACH: usize = 3;
/// The maximum number of heavy reads among those.
const HEAVY_EACH: usize = 1;
/// The maximum number of reads of one user that run or wait. One more is refused at once.
const MAX_EACH: usize = 64;

/// The owner and the cost of a read.
#[derive(Clone, Copy, Debug)]
pub struct ReadTerms {
    pub cost: Cost,
    /// The user whose share the read takes. `None` for clients before login and the hub itself.
    pub owner: Option<UserId>,
}

pub(crate) struct ReadGates {
    /// One permit for each connection.
    all: Arc<Semaphore>,
    /// One permit for each connection that is not reserved for admission.
    ordinary: Arc<Semaphore>,
    heavy: Arc<FairTurns>,
    opening: Arc<FairTurns>,
    most_heavy: usize,
    people: Mutex<HashMap<UserId, Person>>,
}

/// The reads of one user, while there are any.
struct Person {
    reads: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
    /// The number of reads that run or wait.
    count: usize,
}

/// Lets one read run. Dropping it ends the read's turn.
pub(crate) struct ReadPermit {
    _permits: Vec<OwnedSemaphorePermit>,
    _turn: Option<Turn>,
    _counted: Option<CountedRead>,
}

/// Counts one read of a user until it is dropped.
struct CountedRead {
    gates: Arc<ReadGates>,
    user_id: UserId,
}

impl Drop for CountedRead {
    fn drop(&mut self) {
        let mut people = self.gates.people.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(person) = people.get_mut(&self.user_id) {
            person.count -= 1;
            if person.count == 0 {
                people.remove(&self.user_id);
            }
        }
    }
}

impl ReadGates {
    /// Creates the gates for this number of connections. A quarter is reserved for admission. Heavy
    /// reads may use half, and sessions that open may use half, but at most the given numbers.
    pub fn new(connections: usize, most_heavy: usize, most_opening: usize) -> Self {
        let kept_back = (connections / 4).max(1).min(connections - 1);
        let at_most = |most: usize| (connections / 2).min(most).max(1);
        let heavy = at_most(most_heavy);
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            all: semaphore(connections),
            ordinary: semaphore(connections - kept_back),
            heavy: FairTurns::new(heavy),
            opening: FairTurns::new(at_most(most_opening)),
            most_heavy: heavy,
            people: Mutex::default(),
        }
    }

    /// The maximum number of heavy reads at once.
    pub fn most_heavy(&self) -> usize {
        self.most_heavy
    }

    /// Waits for the turn of a read, at most until the deadline. Heavy reads and sessions that open
    /// wait behind those of other users until the later deadline.
    ///
    /// # Errors
    /// - `TooManyAtOnce` if the read waits for other reads of its owner.
    /// - `Unavailable` if it waits for reads of other users.
    pub async fn pass(
        self: &Arc<Self>,
        ReadTerms { cost, owner }: ReadTerms,
        deadline: Instant,
        heavy_deadline: Instant,
    ) -> Result<ReadPermit> {
        let mut permits = Vec::with_capacity(4);
        let (mut counted, mut turn) = (None, None);
        if let Some(user_id) = owner
            && !cost.admits()
        {
            let (mine, reads, heavy) = self.count_read(user_id)?;
            counted = Some(mine);
            if cost == Cost::Heavy {
                permits.push(take(heavy, deadline).await?.ok_or(HEAVY_UNDER_WAY)?);
            }
            permits.push(take(reads, deadline).await?.ok_or(UNDER_WAY)?);
        }
        let (turns, deadline) = match cost {
            Cost::Heavy => (Some(&self.heavy), heavy_deadline),
            Cost::Opening => (Some(&self.opening), heavy_deadline),
            Cost::Light | Cost::Admission => (None, deadline),
        };
        if let Some(turns) = turns {
            turn = Some(turns.take(owner, deadline).await.ok_or(IN_USE)?);
        }
        if !cost.admits() {
            permits.push(take(Arc::clone(&self.ordinary), deadline).await?.ok_or(IN_USE)?);
        }
        permits.push(take(Arc::clone(&self.all), deadline).await?.ok_or(IN_USE)?);
        Ok(ReadPermit { _permits: permits, _turn: turn, _counted: counted })
    }

    fn count_read(self: &Arc<Self>, user_id: UserId) -> Result<(CountedRead, Arc<Semaphore>, Arc<Semaphore>)> {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        let person = people.entry(user_id).or_insert_with(|| Person {
            reads: Arc::new(Semaphore::new(EACH)),
            heavy: Arc::new(Semaphore::new(HEAVY_EACH)),
            count: 0,
        });
        if person.count >= MAX_EACH {
            return Err(UNDER_WAY);
        }
        person.count += 1;
        let counted = CountedRead { gates: Arc::clone(self), user_id };
        Ok((counted, Arc::clone(&person.reads), Arc::clone(&person.heavy)))
    }

    #[cfg(test)]
    fn count_people(&self) -> usize {
        self.people.lock().unwrap().len()
    }
}

const UNDER_WAY: Error = Error::TooManyAtOnce("too many of your requests are under way: wait for their answers");
const HEAVY_UNDER_WAY: Error =
    Error::TooManyAtOnce("another search, sync, count or long page of yours is under way: wait for its answer");
const IN_USE: Error = Error::Unavailable("all database connections are in use");

/// Takes a permit. Returns `None` when the deadline passed.
async fn take(semaphore: Arc<Semaphore>, deadline: Instant) -> Result<Option<OwnedSemaphorePermit>> {
    match timeout_at(deadline, semaphore.acquire_owned()).await {
        Ok(Ok(permit)) => Ok(Some(permit)),
        Ok(Err(_)) => Err(Error::bug("the semaphores of the read pool are never closed")),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const ANN: Option<UserId> = Some(UserId::new(1));
    const BOB: Option<UserId> = Some(UserId::new(2));

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
    }

    fn later() -> Instant {
        Instant::now() + std::time::Duration::from_secs(60)
    }

    fn gates() -> Arc<ReadGates> {
        Arc::new(ReadGates::new(8, 64, 64))
    }

    /// Returns the permit of a read whose turn comes at once.
    fn passes(gates: &Arc<ReadGates>, cost: Cost, owner: Option<UserId>) -> Option<ReadPermit> {
        gates.pass(ReadTerms { cost, owner }, later(), later()).now_or_never().map(Result::unwrap)
    }

    #[test]
    fn a_user_has_three_concurrent_reads_and_one_heavy_one() {
        block_on(async {
            let gates = gates();
            let first = passes(&gates, Cost::Heavy, ANN).unwrap();
            assert!(passes(&gates, Cost::Heavy, ANN).is_none());
            let _others = [passes(&gates, Cost::Light, ANN).unwrap(), passes(&gates, Cost::Light, ANN).unwrap()];
            assert!(passes(&gates, Cost::Light, ANN).is_none());
            assert!(passes(&gates, Cost::Heavy, BOB).is_some() && passes(&gates, Cost::Light, BOB).is_some());
            let refused =
                gates.pass(ReadTerms { cost: Cost::Light, owner: ANN }, Instant::now(), later()).await.err().unwrap();
            assert!(matches!(refused, Error::TooManyAtOnce(_)), "{refused}");
            drop(first);
            assert!(passes(&gates, Cost::Heavy, ANN).is_some());
        });
    }

    #[test]
    fn heavy_and_light_reads_leave_connections_for_admission() {
        block_on(async {
            let gates = gates();
            let person = |id| Some(UserId::new(id));
            let _heavy: Vec<_> = (1..=4).map(|id| passes(&gates, Cost::Heavy, person(id)).unwrap()).collect();
            assert!(passes(&gates, Cost::Heavy, person(5)).is_none());
            let _light: Vec<_> = (1..=2).map(|id| passes(&gates, Cost::Light, person(id)).unwrap()).collect();
            assert!(passes(&gates, Cost::Light, person(5)).is_none());
            let _admitted: Vec<_> = (1..=2).map(|_| passes(&gates, Cost::Admission, None).unwrap()).collect();
            assert!(passes(&gates, Cost::Admission, None).is_none());
            let refused =
                gates.pass(ReadTerms { cost: Cost::Light, owner: BOB }, Instant::now(), later()).await.err().unwrap();
            assert!(matches!(refused, Error::Unavailable(_)), "{refused}");
        });
    }

    #[test]
    fn a_heavy_read_waits_longer_for_others_than_for_its_owner() {
        block_on(async {
            let gates = Arc::new(ReadGates::new(8, 1, 1));
            let _ann = passes(&gates, Cost::Heavy, ANN).unwrap();
            let (over, heavy) = (Instant::now(), |owner| ReadTerms { cost: Cost::Heavy, owner });
            let refused = gates.pass(heavy(ANN), over, later()).await.err();
            assert!(matches!(refused, Some(Error::TooManyAtOnce(_))));
            assert!(gates.pass(heavy(BOB), over, later()).now_or_never().is_none(), "waits for its turn");
            let refused = gates.pass(heavy(BOB), over, over).await.err();
            assert!(matches!(refused, Some(Error::Unavailable(_))));
        });
    }

    #[test]
    fn sessions_over_the_opening_limit_wait_for_their_turn() {
        block_on(async {
            let gates = Arc::new(ReadGates::new(8, 2, 2));
            let mut open: Vec<_> = (0..2).map(|_| passes(&gates, Cost::Opening, ANN).unwrap()).collect();
            assert!(passes(&gates, Cost::Opening, BOB).is_none());
            assert!(passes(&gates, Cost::Heavy, BOB).is_some() && passes(&gates, Cost::Admission, BOB).is_some());
            let terms = ReadTerms { cost: Cost::Opening, owner: BOB };
            let refused = gates.pass(terms, later(), Instant::now()).await.err();
            assert!(matches!(refused, Some(Error::Unavailable(_))), "{refused:?}");
            open.pop();
            assert!(passes(&gates, Cost::Opening, BOB).is_some());
        });
    }

    #[test]
    fn a_user_waiting_for_their_share_blocks_no_others() {
        block_on(async {
            let gates = Arc::new(ReadGates::new(8, 64, 64));
            let _ann = passes(&gates, Cost::Heavy, ANN).unwrap();
            let mut waiting: Vec<_> = (0..10)
                .map(|_| Box::pin(gates.pass(ReadTerms { cost: Cost::Heavy, owner: ANN }, later(), later())))
                .collect();
            assert!(waiting.iter_mut().all(|wait| wait.as_mut().now_or_never().is_none()));
            let _bob = [Cost::Heavy, Cost::Light, Cost::Light].map(|cost| passes(&gates, cost, BOB).unwrap());
            assert!(passes(&gates, Cost::Light, ANN).is_some());
        });
    }

    #[test]
    fn a_bounded_number_of_reads_of_one_user_waits() {
        block_on(async {
            let gates = gates();
            let held: Vec<_> = (0..EACH).map(|_| passes(&gates, Cost::Light, ANN).unwrap()).collect();
            let terms = ReadTerms { cost: Cost::Light, owner: ANN };
            let mut waiting: Vec<_> = (EACH..MAX_EACH).map(|_| Box::pin(gates.pass(terms, later(), later()))).collect();
            assert!(waiting.iter_mut().all(|wait| wait.as_mut().now_or_never().is_none()));
            let refused = gates.pass(terms, later(), later()).now_or_never().expect("at once");
            assert!(matches!(refused, Err(Error::TooManyAtOnce(_))));
            assert!(passes(&gates, Cost::Admission, ANN).is_some(), "admission reads still pass");
            drop((waiting, held));
            assert_eq!(gates.count_people(), 0, "idle users have no entry");
        });
    }

    #[test]
    fn the_smallest_pools_serve_every_kind_of_read() {
        block_on(async {
            for connections in 1..=4 {
                let gates = Arc::new(ReadGates::new(connections, 1, 1));
                for cost in [Cost::Heavy, Cost::Light, Cost::Admission, Cost::Opening] {
                    assert!(passes(&gates, cost, ANN).is_some(), "{cost:?} of {connections}");
                }
            }
        });
    }
}
