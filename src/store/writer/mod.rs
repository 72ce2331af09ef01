//! The writer: one thread that runs the waiting writes and commits once.

mod attempt;
pub(crate) mod checkpoints;
pub(crate) mod group_commit;
pub(crate) mod job;
pub(crate) mod locks;
pub(crate) mod queue;
