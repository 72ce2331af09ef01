//! Rules of the sources and documents that no compiler checks.

pub mod architecture;
pub mod bound_lists;
pub mod circles;
pub mod descriptions;
pub mod english;
pub mod formatted_sql;
pub mod promises;
pub mod query_counts;
pub mod sizes;
