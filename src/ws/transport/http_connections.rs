//! Limits the connections that may speak HTTP at once. The server accepts only as many connections
//! as it has places, so idle connections must not keep them. One address has a share of the places.
//! While more than half of all places are taken, each answer ends its connection.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The limits on the number of connections.
#[derive(Clone, Copy, Debug)]
pub struct HttpPlaces {
    /// The number of connections that the server accepts.
    pub in_all: usize,
    pub per_address: usize,
}

/// The connections of this node that speak HTTP. Cheap to clone.
#[derive(Clone)]
pub struct HttpConnections(Arc<Shared>);

struct Shared {
    places: HttpPlaces,
    /// Returns the address whose share a connection counts for. `None` for peers without a limit.
    share_of: Box<dyn Fn(IpAddr) -> Option<IpAddr> + Send + Sync>,
    /// Called with the address that has used up its share.
    on_refused: Box<dyn Fn(IpAddr) + Send + Sync>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    in_all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection. Dropping it gives its place back.
pub(super) struct HttpConnection {
    shared: Arc<Shared>,
    address: Option<IpAddr>,
}

impl HttpConnections {
    pub fn new(
        places: HttpPlaces,
        share_of: impl Fn(IpAddr) -> Option<IpAddr> + Send + Sync + 'static,
        on_refused: impl Fn(IpAddr) + Send + Sync + 'static,
    ) -> Self {
        let (share_of, on_refused) = (Box::new(share_of), Box::new(on_refused));
        Self(Arc::new(Shared { places, share_of, on_refused, open: Mutex::default() }))
    }

    /// Returns `None` if the address has reached its limit.
    pub(super) fn admit(&self, peer: IpAddr) -> Option<HttpConnection> {
        let address = (self.0.share_of)(peer);
        let mut open = self.0.open();
        if let Some(address) = address {
            let count = open.by_address.entry(address).or_default();
            if *count >= self.0.places.per_address {
                drop(open);
                (self.0.on_refused)(address);
                return None;
            }
            *count += 1;
        }
        open.in_all += 1;
        Some(HttpConnection { shared: Arc::clone(&self.0), address })
    }

    /// Returns whether connections have to end with the next answer.
    pub(super) fn are_scarce(&self) -> bool {
        self.0.open().in_all > self.0.places.in_all / 2
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HttpConnection {
    fn drop(&mut self) {
        let mut open = self.shared.open();
        open.in_all -= 1;
        if let Some(address) = self.address
            && let Some(count) = open.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn connections(in_all: usize, per_address: usize) -> (HttpConnections, Arc<Mutex<Vec<IpAddr>>>) {
        let refused = Arc::new(Mutex::new(Vec::new()));
        let reported = Arc::clone(&refused);
        let share_of = |peer| (peer != PROXY).then_some(peer);
        let places = HttpPlaces { in_all, per_address };
        (HttpConnections::new(places, share_of, move |address| reported.lock().unwrap().push(address)), refused)
    }

    #[test]
    fn an_address_is_limited_to_its_share_of_connections() {
        let (connections, refused) = connections(100, 2);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        let held = [connections.admit(one), connections.admit(one)];
        assert!(held.iter().all(Option::is_some));
        assert!(connections.admit(one).is_none());
        assert_eq!(*refused.lock().unwrap(), [one]);
        assert!(connections.admit(other).is_some());
        drop(held);
        assert!(connections.admit(one).is_some());
        assert!(connections.0.open().by_address.is_empty(), "closed connections leave no entries");
    }

    #[test]
    fn a_trusted_proxy_may_use_every_connection() {
        let (connections, _) = connections(100, 2);
        let held: Vec<_> = (0..100).map(|_| connections.admit(PROXY)).collect();
        assert!(held.iter().all(Option::is_some));
    }

    #[test]
    fn connections_are_scarce_when_more_than_half_are_taken() {
        let (connections, _) = connections(10, 10);
        let mut held: Vec<_> = (0..5).map(|_| connections.admit(PROXY)).collect();
        assert!(!connections.are_scarce());
        held.push(connections.admit(PROXY));
        assert!(connections.are_scarce());
        held.pop();
        assert!(!connections.are_scarce());
    }
}
