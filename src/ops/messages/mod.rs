//! Messages: sending, changing, reactions and history.

pub mod change_message;
pub mod delete_message;
pub mod edit_message;
pub mod get_message;
pub mod list_messages;
pub mod load_history;
pub mod react;
pub mod send_message;
pub mod visible;
