//! Settles the groups of closed and disabled accounts, a portion at a time. Between two portions it
//! leaves the writer to others for as long as the last one took.

use super::driver::{Job, Next};
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::ops::groups::settle_groups::{AreGroupsDue, SettleGroups};
use crate::ops::op::System;
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_secs(2);

pub struct SettleGroupsJob(pub Dispatcher);

impl Job for SettleGroupsJob {
    const NAME: &'static str = "settle_groups";

    async fn run(&mut self) -> Result<Next> {
        if !self.0.call(System, AreGroupsDue).await? {
            return Ok(Next::In(POLL_INTERVAL));
        }
        let began = Instant::now();
        self.0.call(System, SettleGroups).await?;
        Ok(Next::In(began.elapsed()))
    }
}
