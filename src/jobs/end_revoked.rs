//! Ends the sessions of users who were revoked where this hub did not hear of it: by another node,
//! or in the database.

use super::driver::{Job, Next};
use super::session_owners::for_session_owners;
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::hub::Hub;
use crate::ops::logins::end_revoked::{EndRevoked, FindRevoked};
use crate::ops::op::System;
use std::time::Duration;

const POLL_INTERVAL: Duration = Duration::from_secs(3);

pub struct EndRevokedJob {
    pub dispatcher: Dispatcher,
    pub hub: Hub,
}

impl Job for EndRevokedJob {
    const NAME: &'static str = "end_revoked";

    async fn run(&mut self) -> Result<Next> {
        for_session_owners(&self.hub, async |session_owners| {
            let owners = session_owners.iter().map(|owner| (owner.user_id, owner.login_id)).collect();
            let owners = self.dispatcher.call(System, FindRevoked { owners }).await?;
            if owners.is_empty() {
                return Ok(());
            }
            self.dispatcher.call(System, EndRevoked { owners }).await.map(drop)
        })
        .await?;
        Ok(Next::In(POLL_INTERVAL))
    }
}
