//! Deletes old marks of receipts, and leaves most of the time to others while there are more.

use super::driver::{Job, Next};
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::ops::op::System;
use crate::ops::receipts::prune_receipts::PruneReceipts;
use std::time::{Duration, Instant};

/// How often old marks are looked for.
const POLL_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// The pause between two portions, as a multiple of the time that the first took.
const IDLE_FACTOR: u32 = 9;

pub struct PruneReceiptsJob(pub Dispatcher);

impl Job for PruneReceiptsJob {
    const NAME: &'static str = "prune_receipts";

    async fn run(&mut self) -> Result<Next> {
        let began = Instant::now();
        let is_more = self.0.call(System, PruneReceipts).await?;
        Ok(Next::In(if is_more { began.elapsed() * IDLE_FACTOR } else { POLL_INTERVAL }))
    }
}
