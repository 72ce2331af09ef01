//! HTTP: the calls, their authentication, and the rules of every request.

pub mod answers;
pub mod audit;
pub mod audit_budget;
pub mod call;
pub mod calls;
pub mod client_address;
pub mod credential;
pub mod describe;
pub mod descriptions;
pub mod extract;
pub mod handlers;
pub mod held_refusals;
pub mod keeping_body;
pub mod middleware;
pub mod operation;
pub mod origins;
pub mod problem;
pub mod state;
pub mod write_check;
