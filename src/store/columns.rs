//! Our ids and times as BIGINT columns, so that a query cannot compare a
//! user's id with a message's; and database errors as ours.

use crate::error::Error;
use crate::ids::{ConversationId, LoginId, MessageId, ReportId, Rev, Seq, Timestamp, UserId};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, Queryable};
use diesel::expression::AsExpression;
use diesel::internal::derives::as_expression::Bound;
use diesel::result::DatabaseErrorKind;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Nullable};

macro_rules! bigint {
    ($name:ident, $new:ident) => {
        impl AsExpression<BigInt> for $name {
            type Expression = Bound<BigInt, $name>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }

        impl AsExpression<Nullable<BigInt>> for $name {
            type Expression = Bound<Nullable<BigInt>, $name>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }

        impl<DB: Backend> ToSql<BigInt, DB> for $name
        where
            i64: ToSql<BigInt, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.as_ref().to_sql(out)
            }
        }

        impl<DB: Backend> ToSql<Nullable<BigInt>, DB> for $name
        where
            i64: ToSql<BigInt, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.as_ref().to_sql(out)
            }
        }

        impl<DB: Backend> FromSql<BigInt, DB> for $name
        where
            i64: FromSql<BigInt, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                i64::from_sql(bytes).map($name::$new)
            }
        }

        impl<DB: Backend> Queryable<BigInt, DB> for $name
        where
            i64: FromSql<BigInt, DB>,
        {
            type Row = Self;
            fn build(number: Self) -> deserialize::Result<Self> {
                Ok(number)
            }
        }
    };
}

bigint!(UserId, new);
bigint!(LoginId, new);
bigint!(ConversationId, new);
bigint!(MessageId, new);
bigint!(ReportId, new);
bigint!(Seq, new);
bigint!(Rev, new);
bigint!(Timestamp, from_millis);

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::Error as E;
        match &error {
            E::NotFound => Error::NotFound("not found"),
            E::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Error::Conflict("exists already"),
            E::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Error::Contention(error.into()),
            E::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )
            | E::BrokenTransactionManager => Error::DatabaseAway(error.into()),
            E::DatabaseError(DatabaseErrorKind::Unknown, info) if info.message() == "deadlock detected" => {
                Error::Contention(error.into())
            }
            E::DatabaseError(_, info) if is_away(info.message()) => Error::DatabaseAway(error.into()),
            _ => Error::Internal(error.into()),
        }
    }
}

/// What SQLite and libpq say when the database is busy, full or gone; Diesel
/// keeps no code for these, just the text.
fn is_away(message: &str) -> bool {
    const SAYINGS: [&str; 11] = [
        "database is locked",
        "database or disk is full",
        "disk I/O error",
        "attempt to write a readonly database",
        "unable to open database file",
        "server closed the connection unexpectedly",
        "terminating connection",
        "connection to server",
        "could not receive data from server",
        "canceling statement due to",
        "SSL connection has been closed unexpectedly",
    ];
    SAYINGS.iter().any(|saying| message.contains(saying))
}
