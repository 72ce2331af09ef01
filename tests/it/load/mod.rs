//! Attacks and random plans.

pub mod attacked;
pub mod hostile;
pub mod mutated;
pub mod random;
pub mod random_plan;
