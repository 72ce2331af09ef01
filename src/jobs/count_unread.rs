//! Counts the unread messages of users for the hub, which then keeps the counts.

use super::driver::{Job, Next};
use crate::dispatch::Dispatcher;
use crate::error::Result;
use crate::hub::{CountRequest, Counted, Hub};
use crate::ops::op::System;
use crate::ops::receipts::count_unread::CountUnread;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;

/// Maximum number of users that are counted at the same time, so that a user with many unread
/// messages delays others less.
const AT_ONCE: usize = 4;

pub struct CountUnreadJob {
    requests: mpsc::Receiver<CountRequest>,
    running: FuturesUnordered<LocalBoxFuture<'static, Result<Next>>>,
    dispatcher: Dispatcher,
    hub: Hub,
    /// The run of the hub whose transactions the hub knows by their numbers.
    run: i64,
}

impl CountUnreadJob {
    pub fn new(requests: mpsc::Receiver<CountRequest>, dispatcher: Dispatcher, hub: Hub, run: i64) -> Self {
        Self { requests, running: FuturesUnordered::new(), dispatcher, hub, run }
    }
}

impl Job for CountUnreadJob {
    const NAME: &'static str = "count_unread";

    async fn run(&mut self) -> Result<Next> {
        let is_full = self.running.len() >= AT_ONCE;
        tokio::select! {
            Some(done) = self.running.next() => done,
            request = self.requests.recv(), if !is_full => {
                let Some(request) = request else { return Ok(Next::Ended) };
                self.running.push(count(self.dispatcher.clone(), self.hub.clone(), self.run, request).boxed_local());
                Ok(Next::Now)
            }
        }
    }
}

/// Counts and tells the hub, which asks again when this fails.
async fn count(dispatcher: Dispatcher, hub: Hub, run: i64, request: CountRequest) -> Result<Next> {
    let (user_id, only) = (request.user_id, request.only.clone());
    let outcome = dispatcher.call(System, CountUnread { user_id, only, run }).await;
    let (counted, outcome) = match outcome {
        Ok(snapshot) => {
            let rows = snapshot.rows.into_iter().map(|row| (row.conversation_id, row.platform, row.count)).collect();
            (Some(Counted { commit: snapshot.commit, rows }), Ok(Next::Now))
        }
        Err(error) => (None, Err(error)),
    };
    match hub.set_counts(request, counted).await {
        Ok(()) => outcome,
        Err(_) => Ok(Next::Ended),
    }
}
