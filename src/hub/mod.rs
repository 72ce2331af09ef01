//! The hub: the sessions connected to this node, and delivery to them. It has no other task: it
//! queries no database and decides no permission.
//!
//! [`Hub`] is the handle that all other parts use. The actor behind it is a thin shell around pure
//! structures. These are registry (users and their sessions), presence (which users count as
//! online), typing (who types where) and viewing (who views what). Two more are unread (the unread
//! counts of connected users) and resyncs (which sessions must sync).
//! The actor runs on a worker's own thread, beside the sessions it wakes.

mod actor;
#[cfg(test)]
mod actor_test;
#[cfg(test)]
mod delivery_test;
#[cfg(test)]
mod detach_test;
mod handle;
mod mailbox;
mod opening;
mod outgoing;
mod presence;
mod registry;
pub mod relay;
mod resyncs;
mod typing;
mod unread;
mod viewing;

pub use handle::{Announcements, Hub, HubStarter};
pub use mailbox::{AfterDelivery, Attached, Attachment, HubSettings, ToSession};
pub use outgoing::{Delivery, Ephemeral};
pub use presence::Transition;
pub use registry::{SessionOwner, Stats};
pub use unread::{CountRequest, Counted};
