//! The number of messages in each conversation that a user has not read.

use crate::error::Result;
use crate::ids::{ConversationId, MAX_UNREAD, UserId};
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::messaging::messages::Message;
use crate::store::schema::{conversations, hidden_messages, participants};
use crate::store::{Db, on};
use diesel::backend::Backend;
use diesel::dsl::{exists, not};
use diesel::expression::ValidGrouping;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType};

/// The unread messages of one conversation, where there are any.
#[derive(Clone, Debug, Queryable)]
pub struct Unread {
    pub conversation_id: ConversationId,
    pub platform: String,
    /// The count, from 1 to `MAX_UNREAD`.
    pub count: i64,
}

impl Unread {
    /// Whether there may be more than were counted.
    pub fn is_capped(&self) -> bool {
        self.count == MAX_UNREAD
    }
}

/// The number of messages that a participant has not read, up to `MAX_UNREAD`. It counts messages
/// of others that are not deleted, visible to the participant, and after their own position. It is
/// an expression that Diesel prepares once.
#[derive(Debug, Clone, Copy, QueryId, ValidGrouping)]
struct UnreadCount {
    /// Whether `within_time` runs for each message.
    looks_at_the_clock: bool,
}

impl Expression for UnreadCount {
    type SqlType = BigInt;
}

impl<Source> AppearsOnTable<Source> for UnreadCount {}
impl<Source> SelectableExpression<Source> for UnreadCount {}

impl<DB: Backend + HasSqlType<BigInt>> QueryFragment<DB> for UnreadCount
where
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(
            "(SELECT count(*) FROM (
                SELECT 1 FROM messages
                WHERE messages.conversation_id = participants.conversation_id
                    AND messages.seq > participants.own_read_seq
                    AND messages.seq > participants.cleared_seq
                    AND messages.seq >= participants.visible_from_seq
                    AND messages.sender_id <> participants.user_id
                    AND messages.deleted_at IS NULL
                    AND NOT EXISTS (
                        SELECT 1 FROM hidden_messages
                        WHERE hidden_messages.user_id = participants.user_id
                            AND hidden_messages.message_id = messages.id)",
        );
        if self.looks_at_the_clock {
            out.push_sql(" AND within_time(messages.seq)");
        }
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&MAX_UNREAD)?;
        out.push_sql(") AS unread)");
        Ok(())
    }
}

/// Lists the users in whose unread counts a message that is not deleted counts, ascending.
pub fn list_unread_by(db: &mut Db, message: &Message) -> Result<Vec<UserId>> {
    let is_hidden = hidden_messages::table
        .filter(hidden_messages::user_id.eq(participants::user_id).and(hidden_messages::message_id.eq(message.id)));
    Ok(on!(db, conn => participants::table.select(participants::user_id)
        .filter(participants::conversation_id.eq(message.conversation_id).and(participants::role.is_not_null()))
        .filter(participants::own_read_seq.lt(message.seq).and(participants::cleared_seq.lt(message.seq)))
        .filter(participants::visible_from_seq.le(message.seq).and(participants::user_id.ne(message.sender_id)))
        .filter(not(exists(is_hidden)))
        .order(participants::user_id).load(conn))?)
}

/// Lists the unread messages of a user by conversation, for all conversations or for the named
/// ones. Costs at most `MAX_UNREAD` rows for each conversation, besides messages after the user's
/// position that do not count: deleted, hidden, or the user's own.
pub fn list_unread(db: &mut Db, reader: UserId, only: Option<&[ConversationId]>) -> Result<Vec<Unread>> {
    if only.is_some_and(<[_]>::is_empty) {
        return Ok(Vec::new());
    }
    let only = only.map(id_list).transpose()?;
    // Postgres ends a statement that takes too long by itself.
    let looks_at_the_clock = matches!(db, Db::Sqlite(_));
    let mut found: Vec<Unread> = on!(db, conn => {
        let mut query = participants::table
            .inner_join(conversations::table)
            .select((participants::conversation_id, conversations::platform, UnreadCount { looks_at_the_clock }))
            .filter(participants::user_id.eq(reader).and(participants::role.is_not_null()))
            .filter(conversations::last_seq.gt(participants::own_read_seq))
            .filter(conversations::last_seq.gt(participants::cleared_seq))
            .into_boxed();
        if let Some(only) = &only {
            query = query.filter(participants::conversation_id.among(only));
        }
        query.load(conn)
    })?;
    found.retain(|unread| unread.count > 0);
    Ok(found)
}
