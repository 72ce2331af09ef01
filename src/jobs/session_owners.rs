//! Work for each user with open sessions here.

use crate::error::Result;
use crate::hub::{Hub, SessionOwner};
use std::time::Duration;
use tokio::time::sleep;

/// Pause before a portion that failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Does the work for the users with open sessions, a portion at a time. A portion that fails is tried
/// again, so that those behind it have their turn.
///
/// # Errors
/// No hub runs.
pub async fn for_session_owners(hub: &Hub, work: impl AsyncFn(&[SessionOwner]) -> Result<()>) -> Result<()> {
    let mut last = None;
    loop {
        let session_owners = hub.session_owners(last).await?;
        if session_owners.is_empty() {
            return Ok(());
        }
        match work(&session_owners).await {
            Ok(()) => last = session_owners.last().copied(),
            Err(_) => sleep(RETRY_AFTER).await,
        }
    }
}
