//! Merges the pieces of the word index, so that searches stay fast.

use crate::error::Result;
use crate::ops::op::{Access, Cx, Op, Outcome, System};
use crate::store::Cost;
use crate::store::messaging::search_index;

#[derive(Clone, Copy, Debug)]
pub struct MergeIndex;

impl Op<System> for MergeIndex {
    /// Whether there is more to merge.
    type Output = bool;
    const NAME: &'static str = "merge_index";
    const ACCESS: Access = Access::Write;
    const COST: Cost = Cost::Heavy;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<bool>> {
        Ok(Outcome::without_effects(search_index::merge_next(cx.db)?))
    }
}
