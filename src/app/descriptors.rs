//! What may be open at once in this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections that speak HTTP, for each worker; more wait to be accepted.
const MAX_REQUESTS_PER_WORKER: usize = 25_000;

/// How many descriptors may be open for what. A tenth of what the system
/// allows is for files, the database and what nobody thought of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// Connections that speak HTTP.
    pub requests: usize,
    pub sockets: usize,
}

impl Descriptors {
    /// Raises the limit as far as the system lets us, and shares it out.
    pub fn allocate(workers: usize) -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
        let limit = if raised { maximum } else { current };
        // None: without limit.
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
    fn sockets_get_what_requests_and_files_leave() {
        for (limit, workers, requests, sockets) in [
            // So few that nobody could do with them: still one of each.
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
