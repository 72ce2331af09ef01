//! Writes the totals of the audit log at the end of each window.

use crate::error::Result;
use crate::http::audit::{Audit, WINDOW};
use crate::jobs::driver::{Job, Next};

pub struct AuditSumsJob(pub Audit);

impl Job for AuditSumsJob {
    const NAME: &'static str = "audit_sums";

    async fn run(&mut self) -> Result<Next> {
        tokio::time::sleep(WINDOW).await;
        self.0.end_window();
        Ok(Next::Now)
    }
}
