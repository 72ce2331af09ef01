//! Groups: their title, members and roles.

pub mod add_participant;
pub mod group;
pub mod remove_participant;
pub mod rename_conversation;
pub mod set_role;
pub mod settle_groups;
