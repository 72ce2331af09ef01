//! Connections of either kind: settings, errors, limits, and the checks that protect a database.

pub(crate) mod columns;
pub(crate) mod cost;
pub(crate) mod db;
pub(crate) mod epoch;
#[cfg(test)]
pub(crate) mod explain;
pub(crate) mod failure;
pub(crate) mod fair_turns;
pub(crate) mod history;
pub(crate) mod hub_lock;
pub(crate) mod id_list;
pub(crate) mod marker;
pub(crate) mod migrations;
pub(crate) mod prepare;
pub(crate) mod probe;
pub(crate) mod read_gates;
pub(crate) mod read_pool;
pub(crate) mod target;
pub mod time_budget;
