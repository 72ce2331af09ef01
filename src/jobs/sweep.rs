//! Forgets the rate limits of users who went quiet, and attempts that count no longer. Begins with
//! what an earlier process left.

use super::driver::{Job, Next};
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::ops::logins::attempts::SweepAttempts;
use crate::ops::op::System;
use std::time::Duration;

const POLL_INTERVAL: Duration = Duration::from_secs(60);

pub struct SweepJob(pub Dispatcher);

impl Job for SweepJob {
    const NAME: &'static str = "sweep";

    async fn run(&mut self) -> Result<Next> {
        self.0.sweep_limits();
        self.0.call(System, SweepAttempts).await?;
        Ok(Next::In(POLL_INTERVAL))
    }
}
