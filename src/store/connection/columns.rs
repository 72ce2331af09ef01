//! Stores our ids and times as BIGINT columns. A query cannot compare a user's id with a message's.

use crate::ids::{ConversationId, LoginId, MessageId, ReportId, Rev, Seq, Timestamp, UserId};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, Queryable};
use diesel::expression::AsExpression;
use diesel::internal::derives::as_expression::Bound;
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
