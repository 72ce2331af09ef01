//! Presence, typing and viewing, and their visibility.

pub mod announce_presence;
pub mod ephemeral_audience;
pub mod join_conversation;
pub mod leave_conversation;
pub mod presence_visibility;
pub mod set_typing;
pub mod write_last_seen;
