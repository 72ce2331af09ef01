//! Checks whether the database accepts writes: writes a row that no operation reads.

use super::op::{Access, Cx, Done, Op, Outcome, System};
use crate::error::Result;
use crate::store;

#[derive(Clone, Copy, Debug)]
pub struct CheckWrites;

impl Op<System> for CheckWrites {
    type Output = Done;
    const NAME: &'static str = "check_writes";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Done>> {
        store::note_write_check(cx.db, cx.now)?;
        Ok(Outcome::without_effects(Done {}))
    }
}
