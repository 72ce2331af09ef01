//! Sign-in sessions: logging in and out, tickets, and finding the user of a credential.

pub mod attempts;
pub mod begin_login;
pub mod create_ticket;
pub mod end_login;
pub mod end_own_logins;
pub mod end_revoked;
pub mod find_caller;
pub mod find_password;
pub mod list_logins;
pub mod log_in;
pub mod log_out;
pub mod open_session;
pub mod take_ticket;
pub mod touch_logins;
