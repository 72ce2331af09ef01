//! The vocabulary of the integration tests: a real hub on a port of its own,
//! people who use it over HTTP, and their sockets.
//!
//! A test gets a hub on an empty database, and says what people do and what
//! they see. Nothing here knows how the hub works inside, and nothing waits
//! for a duration: waits are for frames and conditions, with a deadline.

mod client;
mod cut;
mod database;

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

/// How long anything may take before a test gives up on it, also on a machine
/// that stands still for some seconds.
const DEADLINE: Duration = Duration::from_secs(15);

/// Makes two tests of the function that follows, one for each database.
/// Settings of the hub may stand after its name: `both_databases!(name, MESSAGE_RATE = "1");`.
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

/// The same for what no database has a part in.
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

/// Runs a test on a hub of its own, and then holds the hub to what must be
/// true after every test: nobody is connected and nothing went wrong inside.
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

/// Asks again until the answer is yes.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, asking).await.is_ok(), "it never came true that {what}");
}

/// The next number below `below` of the sequence that a seed begins.
pub fn draw(state: &mut u64, below: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % below
}
