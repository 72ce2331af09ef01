//! Accounts: registration, profile, password and closing.

pub mod begin_registration;
pub mod close_account;
pub mod provision_external_user;
pub mod register;
pub mod rename_user;
pub mod set_password;
pub mod update_profile;
