//! Positions, receipts and unread counts.

pub mod gathered_receipts;
pub mod positions;
pub mod unread;
