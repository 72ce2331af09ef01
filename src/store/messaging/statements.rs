//! The SQL statements that run for every message.
//!
//! Diesel prepares its UPDATE statements again each time, and walks the tree of a query more than
//! once to bind it. These statements are plain text with bound values, prepared once for each
//! connection. SQLite makes a temporary table for each statement with RETURNING. So on SQLite a
//! second statement reads the new values, which is safe because there is only one writer.

use crate::ids::{ConversationId, MessageId, Rev, Seq, Timestamp, UserId};
use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Bool, HasSqlType, Nullable, Text};

/// Defines a statement whose text never changes, with BIGINT values in between.
macro_rules! statement {
    ($name:ident -> $row:ty { $($sql:literal $(, $field:ident)?;)* }) => {
        impl QueryId for $name {
            type QueryId = Self;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl Query for $name {
            type SqlType = $row;
        }

        impl<Conn> RunQueryDsl<Conn> for $name {}

        impl<DB: Backend + HasSqlType<BigInt>> QueryFragment<DB> for $name
        where
            i64: ToSql<BigInt, DB>,
        {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
                $(
                    out.push_sql($sql);
                    $(out.push_bind_param::<BigInt, _>(&self.$field)?;)?
                )*
                Ok(())
            }
        }
    };
}

/// Takes the next `seq` and `rev` of a conversation. Its time does not go back, as long as it is at
/// most `latest`.
pub(crate) struct AdvanceStatement {
    pub id: ConversationId,
    pub now: Timestamp,
    pub latest: Timestamp,
}

statement!(AdvanceStatement -> () {
    "UPDATE conversations SET last_seq = last_seq + 1, rev = rev + 1, active_at = CASE WHEN active_at <= ", now;
    " THEN ", now;
    " WHEN active_at > ", latest;
    " THEN ", latest;
    " ELSE active_at END WHERE id = ", id;
});

pub(crate) struct AdvanceReturning {
    pub id: ConversationId,
    pub now: Timestamp,
    pub latest: Timestamp,
}

statement!(AdvanceReturning -> (BigInt, BigInt, BigInt, Text) {
    "UPDATE conversations SET last_seq = last_seq + 1, rev = rev + 1, active_at = CASE WHEN active_at <= ", now;
    " THEN ", now;
    " WHEN active_at > ", latest;
    " THEN ", latest;
    " ELSE active_at END WHERE id = ", id;
    " RETURNING last_seq, rev, active_at, platform";
});

/// Reads the current numbers of a conversation, and its platform.
pub(crate) struct NumbersOf {
    pub id: ConversationId,
}

statement!(NumbersOf -> (BigInt, BigInt, BigInt, Text) {
    "SELECT last_seq, rev, active_at, platform FROM conversations WHERE id = ", id;
});

/// A message to store.
pub struct InsertMessage<'a> {
    pub conversation_id: ConversationId,
    pub seq: Seq,
    pub rev: Rev,
    pub sender_id: UserId,
    pub content: &'a str,
    pub client_message_id: Option<&'a str>,
    pub reply_to_id: Option<MessageId>,
    pub created_at: Timestamp,
}

/// Stores a message, and returns its id.
pub(crate) struct InsertReturning<'a>(pub InsertMessage<'a>);

/// The same for both, because all values of a lifetime have one text.
macro_rules! insert {
    ($name:ident, $row:ty, $sql:literal, |$self:ident| $values:expr) => {
        impl QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl Query for $name<'_> {
            type SqlType = $row;
        }

        impl<Conn> RunQueryDsl<Conn> for $name<'_> {}

        impl<DB: Backend + HasSqlType<BigInt> + HasSqlType<Text>> QueryFragment<DB> for $name<'_>
        where
            i64: ToSql<BigInt, DB>,
            str: ToSql<Text, DB>,
        {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
                let $self = self;
                let new: &'b InsertMessage = $values;
                out.push_sql(
                    "INSERT INTO messages (conversation_id, seq, rev, sender_id, content, client_message_id, \
                     reply_to_id, created_at) VALUES (",
                );
                out.push_bind_param::<BigInt, _>(&new.conversation_id)?;
                out.push_sql(", ");
                out.push_bind_param::<BigInt, _>(&new.seq)?;
                out.push_sql(", ");
                out.push_bind_param::<BigInt, _>(&new.rev)?;
                out.push_sql(", ");
                out.push_bind_param::<BigInt, _>(&new.sender_id)?;
                out.push_sql(", ");
                out.push_bind_param::<Text, _>(new.content)?;
                out.push_sql(", ");
                out.push_bind_param::<Nullable<Text>, _>(&new.client_message_id)?;
                out.push_sql(", ");
                out.push_bind_param::<Nullable<BigInt>, _>(&new.reply_to_id)?;
                out.push_sql(", ");
                out.push_bind_param::<BigInt, _>(&new.created_at)?;
                out.push_sql($sql);
                Ok(())
            }
        }
    };
}

insert!(InsertMessage, (), ")", |insert| insert);
insert!(InsertReturning, BigInt, ") RETURNING id", |insert| &insert.0);

/// SQLite: begins the savepoint of one job. The savepoint of an earlier job has ended.
pub(crate) struct BeginSavepoint;

statement!(BeginSavepoint -> () {
    "SAVEPOINT job";
});

/// SQLite: ends the savepoint of one job, and keeps its changes in the transaction.
pub(crate) struct ReleaseSavepoint;

statement!(ReleaseSavepoint -> () {
    "RELEASE job";
});

/// SQLite: the id of the row that this connection inserted last.
pub(crate) struct LastInsertRowid;

statement!(LastInsertRowid -> BigInt {
    "SELECT last_insert_rowid()";
});

/// SQLite: the number of rows that this connection changed.
pub(crate) struct TotalChanges;

statement!(TotalChanges -> BigInt {
    "SELECT total_changes()";
});

/// SQLite: counts a transaction of a run, if it changed a row.
pub(crate) struct CountOnSqlite {
    pub run: i64,
    pub commits: i64,
    /// The value of `TotalChanges` when the transaction began.
    pub changes_before: i64,
}

statement!(CountOnSqlite -> () {
    "UPDATE hub_runs SET commits = ", commits;
    " WHERE id = ", run;
    " AND total_changes() > ", changes_before;
});

/// Postgres: counts a transaction of a run, if it changed a row.
pub(crate) struct CountOnPostgres {
    pub run: i64,
    pub commits: i64,
}

statement!(CountOnPostgres -> () {
    "UPDATE hub_runs SET commits = ", commits;
    " WHERE id = ", run;
    " AND pg_current_xact_id_if_assigned() IS NOT NULL";
});

/// The conversation's id, its pair, whether the caller has written in it and its `rev`; the other
/// user, and their relation to the caller.
type Facts = (
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<Bool>,
    Nullable<BigInt>,
    Nullable<BigInt>,
    (Bool, Bool, Bool, Bool),
);

/// Reads the facts between the caller and a user.
pub(crate) struct ByRecipient {
    pub me: UserId,
    pub recipient: UserId,
    pub low: UserId,
    pub high: UserId,
}

statement!(ByRecipient -> Facts {
    "SELECT c.id, c.user_low, c.user_high, p.has_written, c.rev, u.id, u.deleted_at IS NOT NULL, \
     EXISTS (SELECT 1 FROM blocks WHERE removed_at IS NULL AND blocked_id = u.id AND user_id = ", me;
    "), EXISTS (SELECT 1 FROM blocks WHERE removed_at IS NULL AND user_id = u.id AND blocked_id = ", me;
    "), EXISTS (SELECT 1 FROM contacts WHERE removed_at IS NULL AND user_id = u.id AND contact_id = ", me;
    ") FROM users u LEFT JOIN conversations c ON c.user_low = ", low;
    " AND c.user_high = ", high;
    " LEFT JOIN participants p ON p.conversation_id = c.id AND p.user_id = ", me;
    " WHERE u.id = ", recipient;
});

/// Reads the facts between the caller and a conversation that the caller is in.
pub(crate) struct ByConversation {
    pub me: UserId,
    pub id: ConversationId,
}

statement!(ByConversation -> Facts {
    "SELECT c.id, c.user_low, c.user_high, p.has_written, c.rev, u.id, u.deleted_at IS NOT NULL, \
     EXISTS (SELECT 1 FROM blocks WHERE removed_at IS NULL AND blocked_id = u.id AND user_id = p.user_id), \
     EXISTS (SELECT 1 FROM blocks WHERE removed_at IS NULL AND user_id = u.id AND blocked_id = p.user_id), \
     EXISTS (SELECT 1 FROM contacts WHERE removed_at IS NULL AND user_id = u.id AND contact_id = p.user_id) \
     FROM participants p JOIN conversations c ON c.id = p.conversation_id \
     LEFT JOIN users u ON u.id = CASE WHEN c.user_low = p.user_id THEN c.user_high ELSE c.user_low END \
     WHERE p.role IS NOT NULL AND p.conversation_id = ", id;
    " AND p.user_id = ", me;
    " AND (c.kind = 'group' OR c.rev > 1 OR c.created_by = p.user_id)";
});
