//! Sync: a client that comes back gets everything it missed.

pub mod catching_up;
pub mod restores;
pub mod sync_bounds;
pub mod sync_limits;
