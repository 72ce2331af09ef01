//! When users were seen last.

use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::ids::UserId;
use crate::ops::op::System;
use crate::ops::presence::write_last_seen::WriteLastSeen;

/// Users whose `last_seen_at` is written at once.
const BATCH: usize = 1_000;

/// Writes down that these users were here until now.
///
/// # Errors
/// Those of the writer, which the dispatcher logged. The rest is not written then.
pub async fn write_last_seen(dispatcher: &Dispatcher, users: &[UserId]) -> Result<()> {
    for users in users.chunks(BATCH) {
        dispatcher.call(System, WriteLastSeen { users: users.to_vec() }).await?;
    }
    Ok(())
}
