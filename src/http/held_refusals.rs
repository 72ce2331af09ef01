//! The refusals that are sent late.

use tokio::sync::Semaphore;

/// The delayed refusals of this node.
pub struct HeldRefusals(pub Semaphore);

impl HeldRefusals {
    /// Allows at most this many delayed refusals at once. Each of them occupies a connection.
    pub fn new(most: usize) -> Self {
        Self(Semaphore::new(most))
    }
}
