//! The relay passes the effects of this node to the hubs of the other nodes.

mod local;

pub use local::Local;

use crate::wire::Effect;
use std::fmt;

/// Passes effects to the hubs of the other nodes. The hub tells it everything that it delivers, so
/// that one node is not a special case.
///
/// The relay is told the effects of a transaction after the COMMIT and before the hub of this node
/// delivers them, in commit order. It must not block: the writer waits for it.
pub trait Relay: fmt::Debug + Send + Sync + 'static {
    fn tell(&self, effects: &[Effect]);
}
