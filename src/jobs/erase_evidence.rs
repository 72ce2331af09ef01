//! Erases the evidence of reports that are older than the retention.

use super::driver::{Job, Next};
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::ops::moderation::erase_evidence::EraseEvidence;
use crate::ops::op::System;
use std::time::Duration;

const POLL_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// Between two portions.
const PAUSE: Duration = Duration::from_millis(100);

pub struct EraseEvidenceJob {
    pub dispatcher: Dispatcher,
    pub retention: Duration,
}

impl Job for EraseEvidenceJob {
    const NAME: &'static str = "erase_evidence";

    async fn run(&mut self) -> Result<Next> {
        let is_more = self.dispatcher.call(System, EraseEvidence { retention: self.retention }).await?;
        Ok(Next::In(if is_more { PAUSE } else { POLL_INTERVAL }))
    }
}
