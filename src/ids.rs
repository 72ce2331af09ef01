//! Ids, positions and times. Each has its own type, so that a user id cannot stand in for a message
//! id.
//!
//! The database creates ids and never reuses them. Positions (`Seq`, `Rev`) count inside one
//! conversation. A `Timestamp` is wall-clock time. All of them stay below 2^53, the limit of exact
//! integers in every JSON reader.

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// The largest id or position on the wire: 2^53 − 1 (RFC 8259, section 6).
pub const MAX_ID: i64 = (1 << 53) - 1;

/// The limit for counting the unread messages of one conversation: a count of 1,000 stands for
/// 1,000 or more. A higher count is of no use to a user, and would cost reading all unread
/// messages.
pub const MAX_UNREAD: i64 = 1_000;

fn in_bounds(number: i64, least: i64) -> Option<i64> {
    (least..=MAX_ID).contains(&number).then_some(number)
}

/// Parses a number from a path, which may hold only digits.
fn parse_in_bounds(text: &str) -> Result<i64, OutOfBounds> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.and_then(|number| in_bounds(number, 1)).ok_or(OutOfBounds)
}

/// Deserializes an integer from `least` to [`MAX_ID`].
struct Bounded {
    least: i64,
}

impl de::Visitor<'_> for Bounded {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer from {} to 2^53-1", self.least)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<i64, E> {
        in_bounds(number, self.least).ok_or_else(|| de::Error::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<i64, E> {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.visit_i64(number)
    }

    /// JSON has one number type: `5.0` is 5.
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<i64, E> {
        let whole = number as i64;
        match whole as f64 == number {
            true => self.visit_i64(whole),
            false => Err(de::Error::invalid_value(de::Unexpected::Float(number), &self)),
        }
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Wraps a number from the database or a test. Input from the wire goes through
            /// `Deserialize` or `FromStr`, which check the bounds.
            pub const fn new(number: i64) -> Self {
                Self(number)
            }

            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl AsRef<i64> for $name {
            fn as_ref(&self) -> &i64 {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                input.deserialize_i64(Bounded { least: 1 }).map(Self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "integer", "minimum": 1, "maximum": MAX_ID})
            }
        }

        /// Parses a number from a path.
        impl FromStr for $name {
            type Err = OutOfBounds;

            fn from_str(text: &str) -> Result<Self, OutOfBounds> {
                parse_in_bounds(text).map(Self)
            }
        }
    };
}

/// The error for an invalid number in a path.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfBounds;

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be an integer from 1 to 2^53-1")
    }
}

id!(
    /// A person or bot with an account.
    UserId
);
id!(
    /// The id of a sign-in session, which a cookie or token proves: one for each device.
    LoginId
);
id!(ConversationId);
id!(MessageId);
id!(ReportId);
id!(
    /// Position of a message in its conversation: 1, 2, 3 … without a gap.
    Seq
);
id!(
    /// Position of a stored change in its conversation: 1, 2, 3 … without a gap.
    Rev
);

impl Seq {
    /// The position before the first message.
    pub const ZERO: Seq = Seq(0);
}

/// A client's position in a conversation: a [`Seq`], or 0 before the first message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, JsonSchema)]
pub struct Position(#[schemars(range(min = 0, max = MAX_ID))] i64);

impl Position {
    /// Wraps a number from a test or a benchmark, as the ids do.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    /// The position of the next message.
    pub const fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_i64(Bounded { least: 0 }).map(Self)
    }
}

/// The id of one socket and its actor, unique within a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, JsonSchema)]
pub struct SessionId(#[schemars(with = "String", regex(pattern = r"^[0-9a-f]{16}$"))] NonZeroU64);

impl SessionId {
    pub const fn new(number: NonZeroU64) -> Self {
        Self(number)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z. On the wire an RFC 3339 time in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, JsonSchema)]
#[schemars(with = "String", description = "RFC 3339 in UTC with milliseconds")]
#[schemars(extend("format" = "date-time", "pattern" = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"))]
pub struct Timestamp(i64);

/// Largest accepted clock difference between two nodes. A stored time further ahead than its window
/// plus this value comes from a wrong clock.
const CLOCK_SKEW: std::time::Duration = std::time::Duration::from_secs(60);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The instant `duration` after this one.
    pub fn after(self, duration: std::time::Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// The latest time that a correct clock of another node may show now.
    pub fn with_skew(self) -> Self {
        self.after(CLOCK_SKEW)
    }

    /// The instant `duration` before this one; never before 1970.
    pub fn before(self, duration: std::time::Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis).max(0))
    }
}

impl AsRef<i64> for Timestamp {
    fn as_ref(&self) -> &i64 {
        &self.0
    }
}

thread_local! {
    /// The time that this thread formatted last. A message has the same time in its row, in its
    /// frame and in its ack, and many messages have the same millisecond.
    static FORMATTED: RefCell<(i64, String)> = RefCell::new((0, format_millis(0)));
}

fn format_millis(millis: i64) -> String {
    let time = DateTime::<Utc>::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC);
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

impl Timestamp {
    fn with_text<T>(self, work: impl FnOnce(&str) -> T) -> T {
        FORMATTED.with_borrow_mut(|(millis, text)| {
            if *millis != self.0 {
                (*millis, *text) = (self.0, format_millis(self.0));
            }
            work(text)
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| out.serialize_str(text))
    }
}

/// A member's role in a group. Each role includes the rights of the previous one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Member,
    Admin,
    Owner,
}

impl Role {
    pub const fn name(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Admin => "admin",
            Role::Owner => "owner",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Role::Member, Role::Admin, Role::Owner].into_iter().find(|role| role.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_within_the_safe_integer_range_of_json() {
        for good in ["1", "9007199254740991"] {
            assert!(good.parse::<UserId>().is_ok(), "{good}");
            assert!(serde_json::from_str::<UserId>(good).is_ok(), "{good}");
        }
        assert_eq!(serde_json::from_str::<UserId>("5.0").unwrap(), UserId::new(5));
        for bad in ["1e300", "-1.0", "9007199254740992.0", "0.0"] {
            assert!(serde_json::from_str::<UserId>(bad).is_err(), "{bad}");
        }
        for bad in ["0", "-1", "9007199254740992", "1.5", "", "+1", "\"1\"", "null", "99999999999999999999"] {
            assert!(bad.parse::<UserId>().is_err(), "{bad}");
            assert!(serde_json::from_str::<UserId>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_timestamp_is_written_in_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_769_860_800_000).to_string(), "2026-01-31T12:00:00.000Z");
        assert_eq!(Timestamp::from_millis(1).to_string(), "1970-01-01T00:00:00.001Z");
    }

    #[test]
    fn subtracting_time_stops_at_the_epoch() {
        let day = std::time::Duration::from_secs(86_400);
        assert_eq!(Timestamp::from_millis(86_400_001).before(day), Timestamp::from_millis(1));
        assert_eq!(Timestamp::from_millis(5).before(day), Timestamp::from_millis(0));
    }
}
