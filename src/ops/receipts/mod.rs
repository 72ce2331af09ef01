//! Delivered and read positions, their receipts, and unread counts.

pub mod count_unread;
pub mod get_unread;
pub mod list_receipts;
pub mod mark_delivered;
pub mod mark_read;
pub mod move_position;
pub mod prune_receipts;
pub mod publish_receipts;
pub mod read_conversation;
