//! Administrators and reports.

pub mod admin;
pub mod promoting;
pub mod reports;
