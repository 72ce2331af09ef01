//! Limits the number of sockets per user, per address and in total. A socket has its permit from
//! before the handshake is answered until it is closed for good. The end of its session does not
//! release the permit.

use crate::error::{Error, Result};
use crate::http::client_address::network;
use crate::ids::UserId;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// The limits of unauthenticated sockets, per address and in total. They cost as much as other
/// sockets, but no user is responsible for them. Therefore they get at most a quarter of all
/// sockets. When all their places are taken, a newcomer displaces an older socket. It is the oldest
/// socket from the address with the most unauthenticated sockets.
const UNKNOWN_PER_ADDRESS: usize = 64;
const UNKNOWN_IN_ALL: usize = 1024;
const UNKNOWN_SHARE: usize = 4;

/// The limits that a refusal names.
const PER_USER: &str = "MAX_SOCKETS_PER_USER sockets of one user";
const PER_ADDRESS: &str = "MAX_SOCKETS_PER_ADDRESS sockets of one address";
const UNKNOWN: &str = "64 sockets of one address that have not authenticated";

/// The id of no user. Real ids begin with 1. It takes half the size of an option, in each of many
/// sockets.
const NOBODY: UserId = UserId::new(0);

/// The retry delay for a client that exceeds a limit of its user or address.
const RETRY_IN: Duration = Duration::from_secs(1);

/// The limits on the number of sockets. 0 means no limit.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionBounds {
    pub per_user: usize,
    pub per_address: usize,
    pub in_all: usize,
}

/// The connection limits of this node. Cheap to clone.
#[derive(Clone)]
pub struct ConnectionLimits(Arc<Shared>);

struct Shared {
    settings: ConnectionBounds,
    taken: Mutex<Taken>,
    given_back: Notify,
    is_closing: watch::Sender<bool>,
}

#[derive(Default)]
struct Taken {
    in_all: usize,
    by_user: HashMap<UserId, usize>,
    by_address: HashMap<IpAddr, usize>,
    /// The oldest first.
    unknown: BTreeMap<u64, Unknown>,
    unknown_by_address: HashMap<Option<IpAddr>, usize>,
    next: u64,
}

/// A socket that is not authenticated yet.
struct Unknown {
    address: Option<IpAddr>,
    /// Notified when the socket has to give up its place.
    displaced: Arc<Notify>,
}

/// The permit of one socket. Dropping it gives the place back.
pub struct ConnectionPermit {
    connection_limits: Arc<Shared>,
    /// [`NOBODY`] until the user is known.
    user_id: Cell<UserId>,
    address: Option<IpAddr>,
    /// The key in the table of unauthenticated sockets.
    number: u64,
}

impl ConnectionLimits {
    pub fn new(settings: ConnectionBounds) -> Self {
        let is_closing = watch::Sender::new(false);
        Self(Arc::new(Shared { settings, taken: Mutex::default(), given_back: Notify::new(), is_closing }))
    }

    /// Acquires a permit for a user, or for a socket that is not authenticated yet.
    ///
    /// # Errors
    /// `RateLimited` if the user or the address has reached its limit. `Unavailable` if the node
    /// has reached its limit.
    pub fn acquire(&self, user_id: Option<UserId>, address: Option<IpAddr>) -> Result<ConnectionPermit> {
        let address = address.map(network);
        let ConnectionBounds { per_user, per_address, in_all } = self.0.settings;
        let mut taken = self.0.taken();
        if is_full(taken.in_all, in_all) {
            return Err(Error::Unavailable("this hub has no room for more connections: try again later"));
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
        if user_id.is_none() && taken.unknown.len() >= most_unknown(in_all) && !taken.displace_for(address) {
            return Err(Error::Unavailable("too many sockets wait to authenticate: try again later"));
        }
        taken.in_all += 1;
        let number = taken.count(user_id, address);
        if let Some(address) = address {
            *taken.by_address.entry(address).or_default() += 1;
        }
        Ok(ConnectionPermit {
            connection_limits: Arc::clone(&self.0),
            user_id: Cell::new(user_id.unwrap_or(NOBODY)),
            address,
            number,
        })
    }

    /// Marks the hub as shutting down. Unauthenticated sockets then no longer need to authenticate.
    pub fn close(&self) {
        self.0.is_closing.send_replace(true);
    }

    /// Completes when the hub is shutting down.
    pub async fn are_closing(&self) {
        // This fails only when the sender is gone, but `self` keeps it.
        let _ = self.0.is_closing.subscribe().wait_for(|is_closing| *is_closing).await;
    }

    /// Completes when no socket is left.
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
    /// Returns the key of an unauthenticated socket, and 0 for the socket of a user.
    fn count(&mut self, user_id: Option<UserId>, address: Option<IpAddr>) -> u64 {
        if let Some(user_id) = user_id {
            *self.by_user.entry(user_id).or_default() += 1;
            return 0;
        }
        self.next += 1;
        self.unknown.insert(self.next, Unknown { address, displaced: Arc::default() });
        *self.unknown_by_address.entry(address).or_default() += 1;
        self.next
    }

    /// Returns `None` if the socket is no longer in the table.
    fn uncount_unknown(&mut self, number: u64) -> Option<Unknown> {
        let unknown = self.unknown.remove(&number)?;
        give_back(&mut self.unknown_by_address, unknown.address);
        Some(unknown)
    }

    /// Displaces the oldest socket of the addresses with the most unauthenticated sockets. Returns
    /// false if this address itself has as many.
    fn displace_for(&mut self, address: Option<IpAddr>) -> bool {
        let own = self.unknown_by_address.get(&address).copied().unwrap_or(0);
        let Some(most) = self.unknown_by_address.values().copied().max().filter(|most| *most > own) else {
            return false;
        };
        let has_most = |unknown: &Unknown| self.unknown_by_address.get(&unknown.address) == Some(&most);
        let oldest = self.unknown.iter().find(|(_, unknown)| has_most(unknown)).map(|(number, _)| *number);
        let displaced = oldest.and_then(|number| self.uncount_unknown(number));
        displaced.is_some_and(|unknown| {
            unknown.displaced.notify_one();
            true
        })
    }
}

impl ConnectionPermit {
    /// Assigns the socket to its user.
    ///
    /// # Errors
    /// `RateLimited` if the user has reached the limit.
    pub fn identify(&self, user_id: UserId) -> Result<()> {
        let mut taken = self.connection_limits.taken();
        let of_user = taken.by_user.get(&user_id).copied().unwrap_or(0);
        if is_full(of_user, self.connection_limits.settings.per_user) {
            return Err(Error::RateLimited { limit: PER_USER, retry_in: RETRY_IN });
        }
        taken.uncount_unknown(self.number);
        taken.count(Some(user_id), self.address);
        self.user_id.set(user_id);
        Ok(())
    }

    /// Completes when this unauthenticated socket has to give up its place.
    pub fn is_displaced(&self) -> impl Future<Output = ()> + use<> {
        let unknown =
            self.connection_limits.taken().unknown.get(&self.number).map(|unknown| Arc::clone(&unknown.displaced));
        async move {
            // If there is no entry, the socket was already displaced.
            if let Some(displaced) = unknown {
                displaced.notified().await;
            }
        }
    }

    fn user_id(&self) -> Option<UserId> {
        Some(self.user_id.get()).filter(|user_id| *user_id != NOBODY)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut taken = self.connection_limits.taken();
        taken.in_all -= 1;
        match self.user_id() {
            Some(user_id) => give_back(&mut taken.by_user, user_id),
            None => drop(taken.uncount_unknown(self.number)),
        }
        if let Some(address) = self.address {
            give_back(&mut taken.by_address, address);
        }
        drop(taken);
        self.connection_limits.given_back.notify_waiters();
    }
}

fn most_unknown(in_all: usize) -> usize {
    let share = if in_all == 0 { UNKNOWN_IN_ALL } else { in_all / UNKNOWN_SHARE };
    share.clamp(1, UNKNOWN_IN_ALL)
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

    fn connection_limits(per_user: usize, per_address: usize, in_all: usize) -> ConnectionLimits {
        ConnectionLimits::new(ConnectionBounds { per_user, per_address, in_all })
    }

    fn at(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    #[test]
    fn each_connection_limit_holds_until_a_slot_is_released() {
        for (connection_limits, one, same, other) in [
            (connection_limits(1, 0, 0), (ANN, at("192.0.2.1")), (ANN, at("192.0.2.2")), (BOB, at("192.0.2.1"))),
            (connection_limits(0, 1, 0), (ANN, at("192.0.2.1")), (BOB, at("192.0.2.1")), (ANN, at("192.0.2.2"))),
            (
                connection_limits(0, 1, 0),
                (ANN, at("2001:db8::1")),
                (BOB, at("2001:db8::ffff:2")),
                (ANN, at("2001:db8:0:1::1")),
            ),
            (connection_limits(0, 1, 0), (ANN, at("192.0.2.1")), (BOB, at("::ffff:192.0.2.1")), (ANN, None)),
        ] {
            let permit = connection_limits.acquire(Some(one.0), one.1).unwrap();
            assert!(matches!(connection_limits.acquire(Some(same.0), same.1), Err(Error::RateLimited { .. })));
            let _other = connection_limits.acquire(Some(other.0), other.1).unwrap();
            drop(permit);
            connection_limits.acquire(Some(same.0), same.1).unwrap();
        }
        let node = connection_limits(0, 0, 2);
        let both = [node.acquire(Some(ANN), None).unwrap(), node.acquire(Some(BOB), at("192.0.2.1")).unwrap()];
        assert!(matches!(node.acquire(Some(ANN), None), Err(Error::Unavailable(_))));
        drop(both);
        node.acquire(Some(ANN), None).unwrap();
    }

    #[test]
    fn an_unauthenticated_socket_counts_until_it_identifies() {
        let connection_limits = connection_limits(1, 0, 0);
        let here: Vec<ConnectionPermit> =
            (0..UNKNOWN_PER_ADDRESS).map(|_| connection_limits.acquire(None, at("192.0.2.1")).unwrap()).collect();
        assert!(matches!(connection_limits.acquire(None, at("192.0.2.1")), Err(Error::RateLimited { .. })));
        here[0].identify(ANN).unwrap();
        assert!(matches!(here[1].identify(ANN), Err(Error::RateLimited { .. })), "as many as a user may");
        here[1].identify(BOB).unwrap();
        let again = [(); 2].map(|()| connection_limits.acquire(None, at("192.0.2.1")).unwrap());
        let left = UNKNOWN_IN_ALL - here.len();
        let others: Vec<ConnectionPermit> = (0..left)
            .map(|id| connection_limits.acquire(None, at(&format!("10.0.{}.{}", id >> 8, id & 255))).unwrap())
            .collect();
        assert_eq!(connection_limits.0.taken().unknown.len(), UNKNOWN_IN_ALL);
        assert!(
            matches!(connection_limits.acquire(None, at("192.0.2.1")), Err(Error::RateLimited { .. })),
            "has the most itself"
        );
        connection_limits.acquire(Some(UserId::new(3)), at("192.0.2.1")).unwrap();
        drop((here, again, others));
        let left = connection_limits.0.taken();
        assert_eq!((left.in_all, left.unknown.len(), left.by_user.len(), left.unknown_by_address.len()), (0, 0, 0, 0));
    }

    /// Returns whether the socket has to give up its place.
    fn is_displaced(permit: &ConnectionPermit) -> bool {
        use futures_util::FutureExt;
        permit.is_displaced().now_or_never().is_some()
    }

    #[test]
    fn a_newcomer_displaces_the_oldest_of_the_busiest_address() {
        let connection_limits = connection_limits(0, 0, 0);
        let networks = UNKNOWN_IN_ALL / UNKNOWN_PER_ADDRESS;
        let held: Vec<ConnectionPermit> = (0..UNKNOWN_IN_ALL)
            .map(|turn| connection_limits.acquire(None, at(&format!("10.0.0.{}", turn % networks))).unwrap())
            .collect();
        let newcomers: Vec<ConnectionPermit> = (0..networks)
            .map(|turn| connection_limits.acquire(None, at(&format!("192.0.2.{turn}"))).unwrap())
            .collect();
        assert_eq!(connection_limits.0.taken().unknown.len(), UNKNOWN_IN_ALL, "as many as before");
        let displaced: Vec<usize> = (0..held.len()).filter(|turn| is_displaced(&held[*turn])).collect();
        assert_eq!(displaced, Vec::from_iter(0..networks), "the oldest of each");
        assert!(!newcomers.iter().any(is_displaced));
        newcomers[0].identify(ANN).unwrap();
        drop((held, newcomers));
        let left = connection_limits.0.taken();
        assert_eq!((left.in_all, left.unknown.len(), left.unknown_by_address.len()), (0, 0, 0));
    }

    #[test]
    fn an_address_displaces_none_that_has_no_more_connections() {
        let connection_limits = connection_limits(0, 0, 8);
        let held = ["10.0.0.1", "10.0.0.2"].map(|address| connection_limits.acquire(None, at(address)).unwrap());
        assert!(matches!(connection_limits.acquire(None, at("10.0.0.1")), Err(Error::Unavailable(_))));
        let third = connection_limits.acquire(None, at("10.0.0.3"));
        assert!(third.is_ok(), "an address without connections displaces the oldest");
        assert!(is_displaced(&held[0]) && !is_displaced(&held[1]));
    }

    #[test]
    fn unauthenticated_sockets_take_at_most_a_quarter() {
        for (in_all, most) in [(0, UNKNOWN_IN_ALL), (1, 1), (8, 2), (400, 100), (100_000, UNKNOWN_IN_ALL)] {
            assert_eq!(most_unknown(in_all), most, "of {in_all}");
        }
    }

    #[test]
    fn closed_connections_leave_no_entries() {
        let connection_limits = connection_limits(0, 0, 0);
        let taken: Vec<ConnectionPermit> =
            (1..=1000).map(|id| connection_limits.acquire(Some(UserId::new(id)), at("192.0.2.1")).unwrap()).collect();
        drop(taken);
        let left = connection_limits.0.taken();
        assert_eq!((left.in_all, left.by_user.len(), left.by_address.len()), (0, 0, 0));
    }
}
