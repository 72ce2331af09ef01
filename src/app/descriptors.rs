//! Limits on what this process may have open at once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Maximum number of HTTP connections for each worker; further connections wait to be accepted.
const MAX_REQUESTS_PER_WORKER: usize = 25_000;

/// Shares of the descriptor limit. A tenth of the system's limit is reserved for files, the
/// database and anything unforeseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// HTTP connections.
    pub requests: usize,
    pub sockets: usize,
}

impl Descriptors {
    /// Raises the descriptor limit as far as the system allows, and divides it.
    pub fn allocate(workers: usize) -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
        let limit = if raised { maximum } else { current };
        // `None` means no limit.
        Self::of(limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX), workers)
    }

    fn of(limit: usize, workers: usize) -> Self {
        let usable = limit / 10 * 9;
        let requests = (usable / 4).min(MAX_REQUESTS_PER_WORKER * workers).max(workers);
        Self { requests, sockets: (usable - requests.min(usable)).max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_divided_between_requests_and_sockets() {
        for (limit, workers, requests, sockets) in [
            // With so few descriptors the hub is of no use; each share still gets one.
            (0, 3, 3, 1),
            (10, 1, 2, 7),
            (1_024, 2, 229, 689),
            (111_120, 1, 25_000, 75_008),
            (1_048_576, 1, 25_000, 918_713),
            (1_048_576, 2, 50_000, 893_713),
        ] {
            assert_eq!(Descriptors::of(limit, workers), Descriptors { requests, sockets }, "{limit} for {workers}");
        }
        assert_eq!(Descriptors::of(usize::MAX, 1).requests, 25_000, "without limit");
    }
}
