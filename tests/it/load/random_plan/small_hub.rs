//! The hub that plans run against: the app itself, with limits of `sync` so small that every plan
//! exceeds all of them. No setting allows such limits, so this test program runs once more as the
//! server.

use crate::support::binary::{Binary, Sandbox};
use std::net::TcpListener;
use std::process::Command;
use switchboard::app::App;
use switchboard::clock::Clock;
use switchboard::config::Config;
use switchboard::policy::SyncLimits;
use tokio::signal::unix::{SignalKind, signal};

const LIMITS: SyncLimits =
    SyncLimits { messages: 5, conversations: 5, bytes: 16 << 10, changes: 5, reset_messages: 5, own_rows: 5 };

/// Environment variable that is set when a plan asks for this hub.
pub const ASKED: &str = "SWITCHBOARD_PLAN_HUB";

/// Starts the program as `Sandbox::start` starts the binary.
pub fn start(sandbox: &Sandbox) -> Binary {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["load::random_plan::small_hub::the_small_hub_serves_a_plan_when_asked", "--exact", "--nocapture"]);
    sandbox.start_other(command)
}

#[test]
fn the_small_hub_serves_a_plan_when_asked() {
    if std::env::var_os(ASKED).is_none() {
        return;
    }
    let config = Config::load("").unwrap();
    env_logger::Builder::new().parse_filters(&config.log_filter).init();
    let listener = TcpListener::bind(config.http.bind).unwrap();
    let app = App::open(config, Clock::system()).unwrap().with_sync_limits(LIMITS);
    println!("\nswitchboard listening on http://{}", listener.local_addr().unwrap());
    let serving = async {
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        app.run(listener, async move {
            terminate.recv().await;
        })
        .await
    };
    actix_web::rt::System::new().block_on(serving).unwrap();
}
