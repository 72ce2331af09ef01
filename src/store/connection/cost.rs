//! The cost of an operation for the database.

/// Decides how long an operation may keep its place in the writer or the read pool. A heavy write
/// has a transaction of its own. Heavy reads and heavy writes each have a bounded share, so light
/// operations always get their turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cost {
    /// Touches a few rows by their keys, however much the caller owns. It takes under a
    /// millisecond.
    #[default]
    Light,
    /// Grows with what the operation names or with what the caller owns.
    Heavy,
    /// Light, and decides whether a client is admitted. Some of the read connections are reserved
    /// for this.
    Admission,
    /// Opens a session after admission. It uses the same connections and grows with what the caller
    /// owns, so few run at once.
    Opening,
}

impl Cost {
    /// Whether the operation admits a client that is not connected yet.
    pub(crate) fn admits(self) -> bool {
        matches!(self, Self::Admission | Self::Opening)
    }
}
