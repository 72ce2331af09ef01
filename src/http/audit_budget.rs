//! Limits how much strangers can write into the log. Each address gets a few lines of each kind.
//! Once a minute, a line says how many more there were.

use super::client_address::network;
use crate::ids::UserId;
use log::Level;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// The length of a window. The counts start again after it.
pub const WINDOW: Duration = Duration::from_secs(60);
/// The lines of one kind from one source in each window. They are lines of refusals, and of sockets
/// that open and close. One user may have 32 sockets by default.
pub const REFUSALS: u64 = 10;
pub const SOCKETS: u64 = 100;
/// The most pairs of source and kind that have their own count. All others share one count per
/// kind.
const MAX_COUNTS: usize = 10_000;

/// The source whose lines are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// One IPv4 address, or one IPv6 network of 64 bits. `None` if the address is unknown.
    Address(Option<IpAddr>),
    User(UserId),
    /// All sources for which the table has no room.
    Others,
}

impl Source {
    pub fn address(address: Option<IpAddr>) -> Self {
        Self::Address(address.map(network))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Address(Some(address)) => write!(f, "address={address}"),
            Source::Address(None) => f.write_str("address=unknown"),
            Source::User(user_id) => write!(f, "user={user_id}"),
            Source::Others => f.write_str("address=others"),
        }
    }
}

/// The lines that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    pub source: Source,
    /// The beginning of the line.
    pub what: &'static str,
    /// The error code, if there is one.
    pub code: Option<&'static str>,
    pub level: Level,
    /// The number of lines that are written in each window.
    pub lines: u64,
}

/// The counts of the current window.
#[derive(Debug, Default)]
pub struct Budget {
    counts: HashMap<Kind, u64>,
}

impl Budget {
    /// Counts a line. Returns false if it is over the budget. The sum at the end of the window
    /// includes it then.
    pub fn count(&mut self, kind: Kind) -> bool {
        let has_room = self.counts.len() < MAX_COUNTS || self.counts.contains_key(&kind);
        let kind = if has_room { kind } else { Kind { source: Source::Others, ..kind } };
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        *count <= kind.lines
    }

    /// Ends the window. Returns how many lines of each kind were not written.
    pub fn end_window(&mut self) -> Vec<(Kind, u64)> {
        let counts = std::mem::take(&mut self.counts);
        let over = |(kind, count): (Kind, u64)| (count > kind.lines).then(|| (kind, count - kind.lines));
        counts.into_iter().filter_map(over).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, code: &'static str) -> Kind {
        let source = Source::address(Some(address.parse().unwrap()));
        Kind { source, what: "refused", code: Some(code), level: Level::Warn, lines: REFUSALS }
    }

    #[test]
    fn a_hundred_thousand_refusals_log_ten_lines_and_a_sum() {
        let mut budget = Budget::default();
        let kind = refused("192.0.2.1", "bad_origin");
        let written = (0..100_000).filter(|_| budget.count(kind)).count();
        assert_eq!(written, 10);
        for other in [refused("192.0.2.2", "bad_origin"), refused("192.0.2.1", "bad_host")] {
            assert!(budget.count(other), "other addresses and kinds have lines of their own");
        }
        assert_eq!(budget.end_window(), [(kind, 99_990)]);
        assert!(budget.count(kind), "a new window");
        assert_eq!(budget.end_window(), [], "written lines are in no sum");
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let mut budget = Budget::default();
        let written = (0..100).filter(|turn| budget.count(refused(&format!("2001:db8::{turn}"), "bad_host"))).count();
        assert_eq!(written, 10);
    }

    #[test]
    fn a_full_table_still_counts_every_line_in_the_sums() {
        let mut budget = Budget::default();
        let mut written = 0;
        for turn in 0..50_000_u32 {
            let address = IpAddr::from((0x0a00_0000 + turn).to_be_bytes());
            written += u64::from(budget.count(refused(&address.to_string(), "bad_host")));
        }
        assert_eq!(budget.counts.len(), MAX_COUNTS + 1);
        assert_eq!(written, MAX_COUNTS as u64 + REFUSALS);
        let [(kind, more)] = budget.end_window()[..] else { panic!("one sum") };
        assert_eq!((kind.source, written + more), (Source::Others, 50_000));
    }
}
