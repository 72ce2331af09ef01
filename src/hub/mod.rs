//! Who is connected here, and delivery to them. Nothing else moves in: the
//! hub asks no database and decides no permission.
//!
//! [`Hub`] is the handle everybody else has. The actor behind it is a thin
//! shell around pure structures: the registry (users and their sessions),
//! presence (who counts as online), typing (who types where), viewing (who
//! looks where), unread_notifications (whose unread counts changed) and resyncs (who is told
//! to sync).
//! It runs on a worker's own thread, beside the sessions it wakes.

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
mod resyncs;
mod typing;
mod unread;
mod viewing;

pub use handle::{Announcements, Hub, HubStarter};
pub use mailbox::{AfterDelivery, Attachment, HubSettings, ToSession};
pub use outgoing::{Delivery, Ephemeral};
pub use presence::Transition;
pub use registry::{Holder, Stats};
pub use unread::UnreadChange;
