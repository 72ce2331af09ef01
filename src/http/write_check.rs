//! Whether the database takes a write now.

use crate::dispatch::Dispatcher;
use crate::error::Result;
use std::borrow::Cow;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long the database may take to answer before it counts as away.
const DEADLINE: Duration = Duration::from_secs(2);
/// A write is tried at most so often; after one that failed, sooner.
const WRITE_EVERY: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the last write that was tried came to; all who ask share it.
#[derive(Default)]
pub struct WriteCheck {
    last: Mutex<Option<(Instant, Option<Cow<'static, str>>)>>,
}

impl WriteCheck {
    /// What is wrong, if anything is; tried anew when the last result is too old.
    pub async fn trouble(&self, dispatcher: &Dispatcher) -> Option<Cow<'static, str>> {
        let mut last = self.last.lock().await;
        if let Some((at, trouble)) = &*last {
            let is_good_for = if trouble.is_none() { WRITE_EVERY } else { RETRY_AFTER };
            if at.elapsed() < is_good_for {
                return trouble.clone();
            }
        }
        let trouble = within_deadline(dispatcher.check_writes()).await;
        *last = Some((Instant::now(), trouble.clone()));
        trouble
    }
}

/// What is wrong with an answer, or that there is none.
pub async fn within_deadline(asking: impl Future<Output = Result<()>>) -> Option<Cow<'static, str>> {
    match timeout(DEADLINE, asking).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.detail().into_owned().into()),
        Err(_) => Some("the database does not answer".into()),
    }
}
