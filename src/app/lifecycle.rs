//! Shutdown of a running hub: its causes, and how the hub drains.

use crate::dispatch::Dispatcher;
use crate::error::Error;
use crate::hub::Hub;
use crate::jobs::driver::Jobs;
use crate::jobs::last_seen::write_last_seen;
use crate::phase::{Phase, PhaseSetter};
use crate::wire::CloseCode;
use crate::ws::connection_limits::ConnectionLimits;
use actix_web::dev::ServerHandle;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Interval between two checks of the parts.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Time to store when the online users were last seen at shutdown, also without a grace.
const LAST_SEEN_GRACE: Duration = Duration::from_secs(2);

/// Watches the hub and the writer thread. Returns only when a part has died that the rest needs: it
/// is better to exit and be restarted than to serve without it.
pub async fn watch(hub: &Hub, writer_thread: &JoinHandle<()>) -> Error {
    let mut looks = tokio::time::interval(POLL_INTERVAL);
    loop {
        looks.tick().await;
        if writer_thread.is_finished() {
            return Error::bug("the writer has died");
        }
        if !hub.is_running() {
            return Error::bug("the hub has died");
        }
    }
}

/// Drains the hub within the grace, and sets the phases. It takes no new connections, asks every socket to reconnect,
/// and finishes requests. The hub does not announce that these users go offline. This function
/// therefore stores that they were last seen now.
pub async fn drain(
    mut jobs: Jobs,
    dispatcher: &Dispatcher,
    hub: &Hub,
    connection_limits: &ConnectionLimits,
    server: &ServerHandle,
    (phase, grace): (&PhaseSetter, Duration),
) {
    log::info!("draining seconds={}", grace.as_secs());
    let until = Instant::now() + grace;
    phase.set(Phase::Draining { until });
    // The users go offline because of the shutdown, so no job announces it.
    jobs.stop().await;
    server.pause().await;
    connection_limits.close();
    // Fails only when the hub is dead, and then no session is left to close.
    let online = hub.close_all(CloseCode::Restart).await.unwrap_or_default();
    let writing = async {
        let written = timeout(LAST_SEEN_GRACE, write_last_seen(dispatcher, &online)).await;
        if !matches!(written, Ok(Ok(()))) {
            log::warn!("the last-seen times of {} users were not stored", online.len());
        }
    };
    // The workers are stopped after that: one of them delivers the answer of the writer.
    let (freed, ()) = tokio::join!(timeout_at(until, connection_limits.are_free()), writing);
    let is_drained = freed.is_ok() && timeout_at(until, server.stop(true)).await.is_ok();
    if !is_drained {
        server.stop(false).await;
    }
    phase.set(Phase::Stopped);
}
