//! Indexes new messages, many together, and merges the index where the database does not do that by
//! itself: on Postgres it would be an empty transaction for each batch.

use super::driver::{Job, Next};
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::ops::op::System;
use crate::ops::search::index_messages::IndexMessages;
use crate::ops::search::merge_index::MergeIndex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::sleep;

/// Messages that are written within this time are indexed together.
const INDEX_DEBOUNCE: Duration = Duration::from_millis(100);
/// The pause while there is more to index, as a multiple of the time that the last batch took: a
/// busy writer takes longer, and is asked less often.
const IDLE_FACTOR: u32 = 9;
/// The same while there is more to merge: merging takes several turns for each batch, and indexing
/// waits for it.
const MERGE_IDLE_FACTOR: u32 = 2;

pub struct IndexMessagesJob {
    pub dispatcher: Dispatcher,
    /// Notified when something was written.
    pub written: Arc<Notify>,
    pub merges: bool,
}

impl Job for IndexMessagesJob {
    const NAME: &'static str = "index_messages";

    async fn run(&mut self) -> Result<Next> {
        let began = Instant::now();
        let is_more = self.dispatcher.call(System, IndexMessages).await?;
        let pause = began.elapsed() * IDLE_FACTOR;
        if self.merges {
            self.merge().await?;
        }
        Ok(match is_more {
            true => Next::In(pause),
            false => Next::AfterSignal(Arc::clone(&self.written), INDEX_DEBOUNCE),
        })
    }
}

impl IndexMessagesJob {
    /// Merges what indexing left in pieces.
    async fn merge(&self) -> Result<()> {
        loop {
            let began = Instant::now();
            if !self.dispatcher.call(System, MergeIndex).await? {
                return Ok(());
            }
            sleep(began.elapsed() * MERGE_IDLE_FACTOR).await;
        }
    }
}
