//! The vocabulary of the integration tests: a real hub on a port of its own,
//! people who use it over HTTP, and their sockets.
//!
//! A test gets a hub on an empty database, and describes the actions of users and the results they
//! see. The harness knows nothing of the hub's internals, and never waits for a fixed duration. It
//! waits for frames and conditions, with a deadline.

mod client;
mod cut;
pub mod database;

mod frames;
mod group;
mod hub;
pub mod issuer;
mod log_watch;
mod model;
mod nginx;
mod pause;
mod reply;
mod socket;
mod transport;
mod truth;
mod user;

pub use client::Client;
pub use cut::Cut;
pub use database::Kind;
pub use group::{Group, crowd};
pub use hub::TestHub;
pub use model::Model;
pub use nginx::{Nginx, free_port};
pub use pause::{Held, Pause};
pub use reply::Reply;
pub use socket::{Socket, kinds};
pub use transport::{Transport, ask_by_rest, ask_by_socket, percent_encoded, refused_on_both};
pub use truth::{assert_same, truth};
pub use user::{PASSWORD, User, register};

use std::time::Duration;

/// Deadline for any single wait, also on a machine that stalls for some seconds.
const DEADLINE: Duration = Duration::from_secs(15);

/// Makes two tests of the function that follows, one for each database. Settings of the hub may
/// follow its name: `both_databases!(name, MESSAGE_RATE = "1");`.
macro_rules! both_databases {
    ($test:ident $(, $setting:ident = $value:expr)* $(,)?) => {
        mod $test {
            use crate::harness::{Kind, run};

            #[test]
            fn sqlite() {
                run(Kind::Sqlite, &[$((stringify!($setting), $value)),*], super::$test);
            }

            #[test]
            fn postgres() {
                run(Kind::Postgres, &[$((stringify!($setting), $value)),*], super::$test);
            }
        }
    };
}
pub(crate) use both_databases;

/// Makes a test that does not depend on the database.
macro_rules! any_database {
    ($test:ident $(, $setting:ident = $value:expr)* $(,)?) => {
        mod $test {
            use crate::harness::{Kind, run};

            #[test]
            fn holds() {
                run(Kind::Sqlite, &[$((stringify!($setting), $value)),*], super::$test);
            }
        }
    };
}
pub(crate) use any_database;

/// Runs a test on a hub of its own, and then checks what must hold after every test: no client is
/// connected and nothing failed inside the hub.
pub fn run(kind: Kind, settings: &[(&'static str, &str)], test: impl AsyncFnOnce(&mut TestHub)) {
    log_watch::install();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut hub = TestHub::start(kind, settings);
    runtime.block_on(async {
        test(&mut hub).await;
        hub.wait_for_connections(0).await;
    });
    hub.stop();
    log_watch::expect_no_errors();
}

/// Repeats a check until it succeeds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, asking).await.is_ok(), "timed out waiting until {what}");
}

/// The next number below `below` in the sequence of a seed.
pub fn draw(state: &mut u64, below: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % below
}
