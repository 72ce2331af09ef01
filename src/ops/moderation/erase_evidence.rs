//! Erases the evidence in reports, of messages and of users, after `REPORT_RETENTION`.

use crate::error::Result;
use crate::ops::op::{Access, Cx, Op, Outcome, System};
use crate::store::accounts::reports;
use std::time::Duration;

/// Rows changed by one call.
const BATCH: i64 = 500;

#[derive(Clone, Copy, Debug)]
pub struct EraseEvidence {
    pub retention: Duration,
}

impl Op<System> for EraseEvidence {
    /// Whether more rows may be due.
    type Output = bool;
    const NAME: &'static str = "erase_evidence";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<bool>> {
        let erased = reports::erase_evidence(cx.db, cx.now.before(self.retention), BATCH)?;
        Ok(Outcome::without_effects(erased as i64 == BATCH))
    }
}
