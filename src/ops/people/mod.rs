//! Other people: profiles, search by name, contacts and blocks.

pub mod get_user;
pub mod list_blocks;
pub mod list_contacts;
pub mod list_users;
pub mod relation;
pub mod set_block;
pub mod set_contact;
