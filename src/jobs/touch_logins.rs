//! Keeps the logins of open sockets alive: a socket may go on for longer than an unused login lives,
//! without a request beside it. Writes down also that their users are here, so that after a crash
//! they were seen within the hour.

use super::driver::{Job, Next};
use super::last_seen::write_last_seen;
use super::session_owners::for_session_owners;
use crate::clock::Clock;
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::hub::Hub;
use crate::ids::{Timestamp, UserId};
use crate::ops::logins::touch_logins::TouchLogins;
use crate::ops::op::System;
use std::time::Duration;

/// How often it is looked whether the time has come, by the hub's clock.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// A login whose socket is open is written down as used so often, or four times in its life if that
/// is more.
const TOUCH_EVERY: Duration = Duration::from_secs(60 * 60);

pub struct TouchLoginsJob {
    dispatcher: Dispatcher,
    hub: Hub,
    clock: Clock,
    every: Duration,
    touched_at: Timestamp,
}

impl TouchLoginsJob {
    /// `lifetime`: how long an unused login lives.
    pub fn new(dispatcher: Dispatcher, hub: Hub, clock: Clock, lifetime: Duration) -> Self {
        let touched_at = clock.now();
        Self { dispatcher, hub, clock, every: TOUCH_EVERY.min(lifetime / 4), touched_at }
    }
}

impl Job for TouchLoginsJob {
    const NAME: &'static str = "touch_logins";

    async fn run(&mut self) -> Result<Next> {
        let now = self.clock.now();
        // A clock that was put back begins again.
        self.touched_at = self.touched_at.min(now);
        if now.before(self.every) >= self.touched_at {
            let dispatcher = &self.dispatcher;
            for_session_owners(&self.hub, async |session_owners| {
                let logins = session_owners.iter().filter_map(|owner| owner.login_id).collect();
                dispatcher.call(System, TouchLogins { logins }).await?;
                let users: Vec<UserId> = session_owners.iter().map(|owner| owner.user_id).collect();
                write_last_seen(dispatcher, &users).await
            })
            .await?;
            self.touched_at = now;
        }
        Ok(Next::In(POLL_INTERVAL))
    }
}
