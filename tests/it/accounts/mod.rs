//! Accounts, logins and credentials.

pub mod authenticate;
pub mod authentication;
pub mod closing;
pub mod cookies;
pub mod devices;
pub mod external_tokens;
pub mod forged_tokens;
pub mod guessing;
pub mod names;
pub mod passwords;
pub mod people;
pub mod profiles;
pub mod refresh_tokens;
pub mod registration;
pub mod revocation;
pub mod tickets;
