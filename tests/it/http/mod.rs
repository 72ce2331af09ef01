//! HTTP: every call, its headers, hosts and limits.

pub mod bad_input;
pub mod behind_nginx;
pub mod every_call;
pub mod http_connections;
pub mod matrix;
pub mod origin_host;
pub mod parity;
pub mod permissions;
pub mod rates;
pub mod strict_headers;
pub mod web_page;
