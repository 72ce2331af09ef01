//! Queries about users: accounts, logins, names, relations and presence.

pub mod attempts;
pub mod logins;
pub(crate) mod name_index;
pub mod name_search;
pub mod pairs;
pub mod people;
pub mod presence;
#[cfg(test)]
mod presence_test;
pub mod quotas;
pub mod reports;
pub mod revocations;
pub mod tickets;
pub(crate) mod user_words;
pub mod users;
