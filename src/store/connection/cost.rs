//! What an operation costs the database.

/// How long an operation may keep its place in the writer or the read pool.
/// A heavy write has a transaction of its own, and heavy operations of either
/// kind have a bounded share, so that light ones always find their turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cost {
    /// A few rows by their keys, whatever the caller owns: under a millisecond.
    #[default]
    Light,
    /// Grows with what the operation names or with what the caller owns.
    Heavy,
    /// Light, and decides whether somebody may come in: some of the connections
    /// that read are kept back for it.
    Admission,
    /// Comes after that, has the same connections, and grows with what the caller owns: few run
    /// at once.
    Opening,
}

impl Cost {
    /// Whether it lets somebody in who is not here yet.
    pub(crate) fn admits(self) -> bool {
        matches!(self, Self::Admission | Self::Opening)
    }
}
