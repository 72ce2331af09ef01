//! Deletes receipt marks that are no longer shown to any user.

use crate::error::Result;
use crate::ops::op::{Access, Cx, Op, Outcome, System};
use crate::store::messaging::receipt_marks;
use std::time::Duration;

/// How long receipts are kept. Delivery and read times of older messages are not shown any more.
const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Rows deleted at once.
const AT_ONCE: i64 = 500;

#[derive(Clone, Copy, Debug)]
pub struct PruneReceipts;

impl Op<System> for PruneReceipts {
    /// Whether more rows may be due.
    type Output = bool;
    const NAME: &'static str = "prune_receipts";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<bool>> {
        let deleted = receipt_marks::prune(cx.db, cx.now.before(KEPT_FOR), AT_ONCE)?;
        Ok(Outcome::without_effects(deleted as i64 == AT_ONCE))
    }
}
