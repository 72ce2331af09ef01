//! How many sockets there are: of each user, from each address, in all. A
//! socket has its slot before the handshake is answered and until it is closed
//! for good, whatever became of its session.

use super::client_address::network;
use crate::error::{Error, Result};
use crate::ids::UserId;
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Sockets that have not said yet who they are: of one address, and in all.
/// They cost what others cost, and nobody answers for them.
const UNKNOWN_PER_ADDRESS: usize = 64;
const UNKNOWN_IN_ALL: usize = 1024;

/// What a refusal says.
const PER_USER: &str = "MAX_SOCKETS_PER_USER sockets of one person";
const PER_ADDRESS: &str = "MAX_SOCKETS_PER_ADDRESS sockets of one address";
const UNKNOWN: &str = "64 sockets of one address that have not authenticated";

/// Ids begin with 1. Half the size of an option, in each of many sockets.
const NOBODY: UserId = UserId::new(0);

/// When to try again that is over a limit of one's own.
const RETRY_IN: Duration = Duration::from_secs(1);

/// At most so many; 0: no limit.
#[derive(Clone, Copy, Debug)]
pub struct SlotSettings {
    pub per_user: usize,
    pub per_address: usize,
    pub in_all: usize,
}

/// The slots of this node: cheap to clone.
#[derive(Clone)]
pub struct Slots(Arc<Shared>);

struct Shared {
    settings: SlotSettings,
    taken: Mutex<Taken>,
    given_back: Notify,
    is_closing: watch::Sender<bool>,
}

#[derive(Default)]
struct Taken {
    in_all: usize,
    by_user: HashMap<UserId, usize>,
    by_address: HashMap<IpAddr, usize>,
    unknown: usize,
    unknown_by_address: HashMap<Option<IpAddr>, usize>,
}

/// One socket's; dropping it gives it back.
pub struct Slot {
    slots: Arc<Shared>,
    /// [`NOBODY`] as long as nobody knows.
    user_id: Cell<UserId>,
    address: Option<IpAddr>,
}

impl Slots {
    pub fn new(settings: SlotSettings) -> Self {
        let is_closing = watch::Sender::new(false);
        Self(Arc::new(Shared { settings, taken: Mutex::default(), given_back: Notify::new(), is_closing }))
    }

    /// For a user, or for somebody who has not said yet who they are.
    ///
    /// # Errors
    /// `RateLimited` when the user or the address has as many sockets as they
    /// may, `Unavailable` when the node has.
    pub fn take(&self, user_id: Option<UserId>, address: Option<IpAddr>) -> Result<Slot> {
        let address = address.map(network);
        let SlotSettings { per_user, per_address, in_all } = self.0.settings;
        let mut taken = self.0.taken();
        if is_full(taken.in_all, in_all) || user_id.is_none() && is_full(taken.unknown, UNKNOWN_IN_ALL) {
            return Err(Error::Unavailable("this hub has as many sockets as it can"));
        }
        let of_address = address.and_then(|address| taken.by_address.get(&address).copied()).unwrap_or(0);
        let (of_asker, per_asker, limit) = match user_id {
            Some(user_id) => (taken.by_user.get(&user_id), per_user, PER_USER),
            None => (taken.unknown_by_address.get(&address), UNKNOWN_PER_ADDRESS, UNKNOWN),
        };
        if is_full(of_asker.copied().unwrap_or(0), per_asker) {
            return Err(Error::RateLimited { limit, retry_in: RETRY_IN });
        }
        if is_full(of_address, per_address) {
            return Err(Error::RateLimited { limit: PER_ADDRESS, retry_in: RETRY_IN });
        }
        taken.in_all += 1;
        taken.count(user_id, address);
        if let Some(address) = address {
            *taken.by_address.entry(address).or_default() += 1;
        }
        Ok(Slot { slots: Arc::clone(&self.0), user_id: Cell::new(user_id.unwrap_or(NOBODY)), address })
    }

    /// The hub is going down: who has not said yet who they are, need not any
    /// more.
    pub fn close(&self) {
        self.0.is_closing.send_replace(true);
    }

    /// Done when it is so.
    pub async fn are_closing(&self) {
        // Fails when the sender is gone, which `self` keeps.
        let _ = self.0.is_closing.subscribe().wait_for(|is_closing| *is_closing).await;
    }

    /// Done when no socket is left.
    pub async fn are_free(&self) {
        loop {
            let given_back = self.0.given_back.notified();
            if self.0.taken().in_all == 0 {
                return;
            }
            given_back.await;
        }
    }
}

impl Shared {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn count(&mut self, user_id: Option<UserId>, address: Option<IpAddr>) {
        match user_id {
            Some(user_id) => *self.by_user.entry(user_id).or_default() += 1,
            None => {
                self.unknown += 1;
                *self.unknown_by_address.entry(address).or_default() += 1;
            }
        }
    }

    fn uncount(&mut self, user_id: Option<UserId>, address: Option<IpAddr>) {
        match user_id {
            Some(user_id) => give_back(&mut self.by_user, user_id),
            None => {
                self.unknown -= 1;
                give_back(&mut self.unknown_by_address, address);
            }
        }
    }
}

impl Slot {
    /// Now it is known whose socket it is.
    ///
    /// # Errors
    /// `RateLimited` when the user has as many as they may.
    pub fn claim(&self, user_id: UserId) -> Result<()> {
        let mut taken = self.slots.taken();
        let of_user = taken.by_user.get(&user_id).copied().unwrap_or(0);
        if is_full(of_user, self.slots.settings.per_user) {
            return Err(Error::RateLimited { limit: PER_USER, retry_in: RETRY_IN });
        }
        taken.uncount(self.user_id(), self.address);
        taken.count(Some(user_id), self.address);
        self.user_id.set(user_id);
        Ok(())
    }

    fn user_id(&self) -> Option<UserId> {
        Some(self.user_id.get()).filter(|user_id| *user_id != NOBODY)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        taken.in_all -= 1;
        taken.uncount(self.user_id(), self.address);
        if let Some(address) = self.address {
            give_back(&mut taken.by_address, address);
        }
        drop(taken);
        self.slots.given_back.notify_waiters();
    }
}

fn is_full(count: usize, limit: usize) -> bool {
    limit != 0 && count >= limit
}

fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: UserId = UserId::new(1);
    const BOB: UserId = UserId::new(2);

    fn slots(per_user: usize, per_address: usize, in_all: usize) -> Slots {
        Slots::new(SlotSettings { per_user, per_address, in_all })
    }

    fn at(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    #[test]
    fn each_limit_holds_by_itself_until_a_slot_is_given_back() {
        for (slots, one, same, other) in [
            (slots(1, 0, 0), (ANN, at("192.0.2.1")), (ANN, at("192.0.2.2")), (BOB, at("192.0.2.1"))),
            (slots(0, 1, 0), (ANN, at("192.0.2.1")), (BOB, at("192.0.2.1")), (ANN, at("192.0.2.2"))),
            (slots(0, 1, 0), (ANN, at("2001:db8::1")), (BOB, at("2001:db8::ffff:2")), (ANN, at("2001:db8:0:1::1"))),
            (slots(0, 1, 0), (ANN, at("192.0.2.1")), (BOB, at("::ffff:192.0.2.1")), (ANN, None)),
        ] {
            let slot = slots.take(Some(one.0), one.1).unwrap();
            assert!(matches!(slots.take(Some(same.0), same.1), Err(Error::RateLimited { .. })));
            let _other = slots.take(Some(other.0), other.1).unwrap();
            drop(slot);
            slots.take(Some(same.0), same.1).unwrap();
        }
        let node = slots(0, 0, 2);
        let both = [node.take(Some(ANN), None).unwrap(), node.take(Some(BOB), at("192.0.2.1")).unwrap()];
        assert!(matches!(node.take(Some(ANN), None), Err(Error::Unavailable(_))));
        drop(both);
        node.take(Some(ANN), None).unwrap();
    }

    #[test]
    fn who_has_not_said_who_they_are_counts_until_they_do() {
        let slots = slots(1, 0, 0);
        let here: Vec<Slot> = (0..UNKNOWN_PER_ADDRESS).map(|_| slots.take(None, at("192.0.2.1")).unwrap()).collect();
        assert!(matches!(slots.take(None, at("192.0.2.1")), Err(Error::RateLimited { .. })));
        here[0].claim(ANN).unwrap();
        assert!(matches!(here[1].claim(ANN), Err(Error::RateLimited { .. })), "as many as a user may");
        here[1].claim(BOB).unwrap();
        let again = [(); 2].map(|()| slots.take(None, at("192.0.2.1")).unwrap());
        let left = UNKNOWN_IN_ALL - here.len();
        let others: Vec<Slot> =
            (0..left).map(|id| slots.take(None, at(&format!("10.0.{}.{}", id >> 8, id & 255))).unwrap()).collect();
        assert!(matches!(slots.take(None, at("192.0.2.2")), Err(Error::Unavailable(_))));
        slots.take(Some(UserId::new(3)), at("192.0.2.1")).unwrap();
        drop((here, again, others));
        let left = slots.0.taken();
        assert_eq!((left.in_all, left.unknown, left.by_user.len(), left.unknown_by_address.len()), (0, 0, 0, 0));
    }

    #[test]
    fn who_went_leaves_nothing_behind() {
        let slots = slots(0, 0, 0);
        let taken: Vec<Slot> =
            (1..=1000).map(|id| slots.take(Some(UserId::new(id)), at("192.0.2.1")).unwrap()).collect();
        drop(taken);
        let left = slots.0.taken();
        assert_eq!((left.in_all, left.by_user.len(), left.by_address.len()), (0, 0, 0));
    }
}
