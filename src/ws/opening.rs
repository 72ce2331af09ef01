//! Attaches a new session to the hub, and loads its initial state.

use crate::auth::Caller;
use crate::error::Result;
use crate::http::state::HttpState;
use crate::hub::{Attached, Attachment};
use crate::ops::logins::open_session::{EarlyOpening, OpenSession, Opening};
use std::sync::Arc;

/// Attaches to the hub with the initial state that the handshake read, if nothing was delivered
/// since. Otherwise it attaches first and reads the initial state then. The hub keeps the changes
/// that are committed in between, and delivers them after the welcome. Presence also arrives after
/// the welcome, through the hub. Returns the number of the user's last private change.
pub(crate) async fn attach(
    state: Arc<HttpState>,
    caller: Caller,
    attachment: Attachment,
    early: Option<Box<EarlyOpening>>,
) -> Result<i64> {
    let session_id = attachment.session_id;
    let private_rev = early.as_ref().map(|early| early.opening.private_rev);
    let seen = early.map(|early| (early.commit, early.opening.visible));
    let is_new = match (state.hub.attach(attachment, seen).await?, private_rev) {
        (Attached::Opened, Some(private_rev)) => return Ok(private_rev),
        (attached, _) => attached == Attached::New,
    };
    let Opening { private_rev, visible } = state.dispatcher.call(caller, OpenSession).await?;
    state.hub.opened(session_id, is_new.then_some(visible)).await?;
    Ok(private_rev)
}
