//! Starting, stopping, logging and outages.

pub mod audit;
pub mod crash;
pub mod database_outage;
pub mod fair_reads;
pub mod log_flood;
pub mod log_lines;
pub mod metrics;
pub mod one_hub;
pub mod other_versions;
pub mod readiness;
pub mod safe_defaults;
pub mod startup;
pub mod stopping;
pub mod unknown_commit;
pub mod wrong_clock;
