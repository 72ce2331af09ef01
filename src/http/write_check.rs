//! Checks whether the database currently accepts a write.

use crate::dispatch::Dispatcher;
use crate::error::Result;
use std::borrow::Cow;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// The time after which a database that does not answer counts as unavailable.
const DEADLINE: Duration = Duration::from_secs(2);
/// The interval between test writes. After a failed write the next test comes sooner.
const WRITE_EVERY: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The result of the last test write. All requests share it.
#[derive(Default)]
pub struct WriteCheck {
    last: Mutex<Option<(Instant, Option<Cow<'static, str>>)>>,
}

impl WriteCheck {
    /// Returns the problem, if there is one. Tests again if the last result is too old.
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

/// Returns the error of the answer, or a timeout if there is no answer before the deadline.
pub async fn within_deadline(asking: impl Future<Output = Result<()>>) -> Option<Cow<'static, str>> {
    match timeout(DEADLINE, asking).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.detail().into_owned().into()),
        Err(_) => Some("the database does not answer".into()),
    }
}
