//! Who is online, types or views a conversation, and who may see it.

pub mod announce_presence;
pub mod ephemeral_audience;
pub mod join_conversation;
pub mod leave_conversation;
pub mod presence_visibility;
pub mod set_typing;
pub mod write_last_seen;
