//! The refusals that are given late.

use tokio::sync::Semaphore;

/// The refusals that wait, of this node.
pub struct HeldRefusals(pub Semaphore);

impl HeldRefusals {
    /// So many at once, each of which keeps a connection.
    pub fn new(most: usize) -> Self {
        Self(Semaphore::new(most))
    }
}
