//! Helpers that several test folders share, besides the harness.

pub mod binary;
pub mod hub_process;
pub mod tcp;
pub mod temp_database;
