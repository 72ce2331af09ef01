//! Reports and the operations of administrators.

pub mod admin;
pub mod create_report;
pub mod end_logins;
pub mod erase_evidence;
pub mod get_connections;
pub mod list_reports;
pub mod set_disabled;
