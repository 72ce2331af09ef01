//! Fair turns at a resource with few slots. The next turn goes to the user with the least
//! recent time.
//!
//! So a user with a million unread messages and their twenty other accounts wait for each other.
//! Another user who opens their list waits only for reads that already run. Earlier use counts
//! less: half of it is forgotten every ten seconds. An unknown user comes after the users who are
//! known to use little, as one account of many may be new to the hub.

use crate::ids::UserId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// Half of the time that a user used is forgotten after this.
const HALF_LIFE: Duration = Duration::from_secs(10);
/// The number of users whose used time is remembered.
const MAX_REMEMBERED: usize = 1_024;
/// The used time of a user for whom none is remembered.
const UNKNOWN: Duration = Duration::from_millis(100);

/// The turns of all users. The hub itself has no id and counts as one user.
pub(crate) struct FairTurns(Mutex<State>);

struct State {
    /// Turns that are free.
    free: usize,
    shares: Shares<oneshot::Sender<Turn>>,
}

/// The turn of a user. Dropping it ends the turn.
pub(crate) struct Turn {
    turns: Arc<FairTurns>,
    owner: Option<UserId>,
    began_at: Instant,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (now, mut state) = (Instant::now(), self.turns.state());
        state.shares.record_use(self.owner, now - self.began_at, now);
        state.free += 1;
        self.turns.hand_out(state);
    }
}

impl FairTurns {
    /// Allows `count` turns at once.
    pub fn new(count: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { free: count, shares: Shares::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn. Returns `None` when the deadline passed.
    pub async fn take(self: &Arc<Self>, owner: Option<UserId>, deadline: Instant) -> Option<Turn> {
        let (entry, turn) = self.enqueue(owner);
        let turn = timeout_at(deadline, turn).await.ok()?.ok();
        drop(entry);
        turn
    }

    fn enqueue(self: &Arc<Self>, owner: Option<UserId>) -> (QueueEntry<'_>, oneshot::Receiver<Turn>) {
        let (sender, turn) = oneshot::channel();
        let mut state = self.state();
        let entry = QueueEntry { turns: self, key: state.shares.push(owner, sender, Instant::now()) };
        self.hand_out(state);
        (entry, turn)
    }

    fn hand_out<'a>(self: &'a Arc<Self>, mut state: MutexGuard<'a, State>) {
        while state.free > 0
            && let Some((owner, waiting)) = state.shares.pop()
        {
            state.free -= 1;
            // A waiter that has just given up drops its turn, and the drop needs the state.
            drop(state);
            drop(waiting.send(Turn { turns: Arc::clone(self), owner, began_at: Instant::now() }));
            state = self.state();
        }
    }
}

/// The entry of a waiting user in the queue. Dropping it leaves the queue.
struct QueueEntry<'a> {
    turns: &'a FairTurns,
    key: Key,
}

impl Drop for QueueEntry<'_> {
    fn drop(&mut self) {
        self.turns.state().shares.waiting.remove(&self.key);
    }
}

/// The time that the user had used on arrival, and a number in the order of arrival.
type Key = (Duration, u64);

/// The waiting users and the time that each has used. This type is pure: time is an argument.
struct Shares<W> {
    waiting: BTreeMap<Key, (Option<UserId>, W)>,
    count: u64,
    used: HashMap<Option<UserId>, Used>,
}

impl<W> Default for Shares<W> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), count: 0, used: HashMap::new() }
    }
}

/// The time that a user had used at a moment.
struct Used {
    time: Duration,
    at: Instant,
}

impl Used {
    fn at(&self, now: Instant) -> Duration {
        self.time.mul_f64(0.5_f64.powf((now - self.at).div_duration_f64(HALF_LIFE)))
    }
}

impl<W> Shares<W> {
    fn push(&mut self, owner: Option<UserId>, waiting: W, now: Instant) -> Key {
        self.count += 1;
        let key = (self.used.get(&owner).map_or(UNKNOWN, |used| used.at(now)), self.count);
        self.waiting.insert(key, (owner, waiting));
        key
    }

    fn pop(&mut self) -> Option<(Option<UserId>, W)> {
        self.waiting.pop_first().map(|(_, waiting)| waiting)
    }

    fn record_use(&mut self, owner: Option<UserId>, time: Duration, now: Instant) {
        if self.used.len() >= MAX_REMEMBERED {
            self.used.retain(|_, used| used.at(now) >= Duration::from_millis(1));
        }
        if let Some(used) = self.used.get_mut(&owner) {
            *used = Used { time: used.at(now) + time, at: now };
        } else if self.used.len() < MAX_REMEMBERED {
            self.used.insert(owner, Used { time, at: now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const ANN: Option<UserId> = Some(UserId::new(1));
    const BOB: Option<UserId> = Some(UserId::new(2));
    const CAT: Option<UserId> = Some(UserId::new(3));
    const SECOND: Duration = Duration::from_secs(1);

    fn order(mut shares: Shares<u32>) -> Vec<u32> {
        std::iter::from_fn(|| shares.pop()).map(|(_, name)| name).collect()
    }

    #[test]
    fn the_least_served_owner_is_next_and_new_ones_keep_order() {
        let (mut shares, now) = (Shares::default(), Instant::now());
        shares.record_use(ANN, 3 * SECOND, now);
        shares.record_use(BOB, SECOND, now);
        shares.record_use(None, SECOND / 20, now);
        for (owner, name) in [(ANN, 1), (BOB, 2), (CAT, 3), (Some(UserId::new(4)), 4), (None, 5)] {
            shares.push(owner, name, now);
        }
        assert_eq!(order(shares), [5, 3, 4, 2, 1]);
    }

    #[test]
    fn recorded_usage_halves_every_ten_seconds() {
        let (mut shares, start) = (Shares::default(), Instant::now());
        shares.record_use(ANN, 4 * SECOND, start);
        let later = start + 2 * HALF_LIFE;
        shares.record_use(BOB, SECOND / 2, later);
        shares.push(ANN, 1, later);
        shares.push(BOB, 2, later);
        assert_eq!(shares.waiting.keys().next_back().map(|(used, _)| *used), Some(SECOND), "a quarter is left");
        assert_eq!(order(shares), [2, 1]);
    }

    #[test]
    fn usage_records_are_bounded_and_idle_owners_are_evicted() {
        let (mut shares, start) = (Shares::<u32>::default(), Instant::now());
        let people = |numbers: std::ops::Range<i64>| numbers.map(|number| Some(UserId::new(number)));
        let most = MAX_REMEMBERED as i64;
        people(0..most + 1).for_each(|person| shares.record_use(person, SECOND, start));
        assert_eq!(shares.used.len(), MAX_REMEMBERED);
        let later = start + 20 * HALF_LIFE;
        people(most..most + 10).for_each(|person| shares.record_use(person, SECOND, later));
        assert_eq!(shares.used.len(), 10);
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
    }

    #[test]
    fn a_turn_goes_to_the_next_user_still_waiting() {
        block_on(async {
            let (turns, later) = (FairTurns::new(1), Instant::now() + 60 * SECOND);
            let first = turns.take(ANN, later).now_or_never().flatten().expect("the turn is free");
            assert!(turns.take(BOB, Instant::now()).await.is_none(), "the deadline has passed");
            let mut gone = Box::pin(turns.take(BOB, later));
            let mut waits = Box::pin(turns.take(CAT, later));
            assert!(gone.as_mut().now_or_never().is_none() && waits.as_mut().now_or_never().is_none());
            drop(gone);
            assert_eq!(turns.state().shares.waiting.len(), 1, "a cancelled wait leaves no entry");
            drop(first);
            let second = waits.await.expect("it was handed on");
            assert!(turns.take(BOB, Instant::now()).await.is_none());
            drop(second);
            assert!(turns.take(BOB, later).now_or_never().flatten().is_some());
        });
    }

    #[test]
    fn a_turn_granted_to_a_departed_user_is_returned() {
        block_on(async {
            let (turns, later) = (FairTurns::new(1), Instant::now() + 60 * SECOND);
            let first = turns.take(ANN, later).await.unwrap();
            let mut left = Box::pin(turns.take(BOB, later));
            assert!(left.as_mut().now_or_never().is_none());
            drop(first);
            // The turn is in the channel, and the receiver did not take it out.
            drop(left);
            assert!(turns.take(CAT, later).now_or_never().flatten().is_some());
        });
    }
}
