//! Indexes the words of the next messages.

use crate::error::Result;
use crate::ops::op::{Access, Cx, Op, Outcome, System};
use crate::store::Cost;
use crate::store::messaging::search_index;

/// Messages indexed at once, in one flush of the index. A batch holds up the writer for some
/// milliseconds.
const BATCH: i64 = 128;

#[derive(Clone, Copy, Debug)]
pub struct IndexMessages;

impl Op<System> for IndexMessages {
    /// Whether there are more messages to index.
    type Output = bool;
    const NAME: &'static str = "index_messages";
    const ACCESS: Access = Access::Write;
    const COST: Cost = Cost::Heavy;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<bool>> {
        Ok(Outcome::without_effects(search_index::index_next(cx.db, BATCH)?))
    }
}
