//! Tells what moved in groups, the moves of some time together. Begins with what an earlier process
//! left untold.

use super::driver::{Job, Next};
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::ids::ConversationId;
use crate::ops::op::System;
use crate::ops::receipts::publish_receipts::PublishReceipts;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Moves of positions are published together after this.
const DEBOUNCE: Duration = Duration::from_millis(100);

pub struct PublishReceiptsJob {
    dispatcher: Dispatcher,
    moved: Arc<Notify>,
    after: Option<ConversationId>,
}

impl PublishReceiptsJob {
    /// `moved` is notified when a position moved.
    pub fn new(dispatcher: Dispatcher, moved: Arc<Notify>) -> Self {
        Self { dispatcher, moved, after: None }
    }
}

impl Job for PublishReceiptsJob {
    const NAME: &'static str = "publish_receipts";

    async fn run(&mut self) -> Result<Next> {
        self.after = self.dispatcher.call(System, PublishReceipts { after: self.after }).await?;
        if self.after.is_some() {
            return Ok(Next::Now);
        }
        Ok(Next::AfterSignal(Arc::clone(&self.moved), DEBOUNCE))
    }
}
