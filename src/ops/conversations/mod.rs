//! Conversations, direct and groups: creating, listing and clearing them.

pub mod clear_conversation;
pub mod create_conversation;
pub mod get_conversation;
pub mod list_conversations;
pub mod list_participants;
pub mod target;
