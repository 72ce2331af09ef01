//! Settings for messages and groups.

use super::reader::{one_of, span, whole};
use super::settings::settings;
use std::num::NonZeroU32;
use std::time::Duration;

settings! {
    /// Settings for messages and groups: who may write to whom, sizes and rate limits.
    pub struct Messages {
        /// `MESSAGE_POLICY`: who may write to whom.
        pub policy: MessagePolicy = required(
            "MESSAGE_POLICY",
            "open",
            one_of([("open", MessagePolicy::Open), ("contacts", MessagePolicy::Contacts)]),
        ),
        /// `MAX_MESSAGE_CHARS`: Unicode scalar values in one message, 1 to 100,000.
        pub max_chars: usize = required("MAX_MESSAGE_CHARS", "1000", whole(1..=100_000)),
        /// `MESSAGE_RATE`: messages a second for one user over all dispatchers, 1 to 1,000,000.
        pub rate: NonZeroU32 = required("MESSAGE_RATE", "10", whole(1..=1_000_000)),
        /// `MESSAGE_BURST`: messages at once for one user, 1 to 1,000,000.
        pub burst: NonZeroU32 = required("MESSAGE_BURST", "20", whole(1..=1_000_000)),
        /// `MAX_PARTICIPANTS`: participants of one group, 2 to 100,000.
        pub max_participants: usize = required("MAX_PARTICIPANTS", "1000", whole(2..=100_000)),
        /// `REPORT_RETENTION`: how long a report keeps the reported text, 1h to 3650d.
        pub report_retention: Duration = required("REPORT_RETENTION", "180d", span("1h", "3650d")),
    }
}

/// `MESSAGE_POLICY`: who may write to whom; blocks apply in addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessagePolicy {
    /// A user may write to, or add, any user who has not blocked them.
    Open,
    /// A user may write only to users who have them as a contact, or who wrote to them before.
    Contacts,
}
