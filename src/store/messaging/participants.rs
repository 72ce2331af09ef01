//! The participants of a conversation, and their state that everybody in it sees.

use crate::error::Result;
use crate::ids::{ConversationId, MessageId, Rev, Seq, UserId};
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::schema::{blocks, hidden_messages, participants, users};
use crate::store::{Db, on};
use diesel::dsl::{exists, not};
use diesel::prelude::*;

/// A participant as everybody in the conversation sees them.
#[derive(Clone, Debug, Queryable)]
pub struct Participant {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub username: String,
    pub display_name: String,
    pub role: Option<String>,
    pub rev: Rev,
    pub read_seq: Seq,
    pub delivered_seq: Seq,
}

/// The columns of a [`Participant`], from two tables.
macro_rules! participant_columns {
    () => {
        (
            participants::conversation_id,
            participants::user_id,
            users::username,
            users::display_name,
            participants::role,
            participants::rev,
            participants::read_seq,
            participants::delivered_seq,
        )
    };
}
pub(crate) use participant_columns;

/// Lists the ids of all current members, ascending.
pub fn list_member_ids(db: &mut Db, id: ConversationId) -> Result<Vec<UserId>> {
    Ok(on!(db, conn => participants::table.select(participants::user_id)
        .filter(participants::conversation_id.eq(id).and(participants::role.is_not_null()))
        .order(participants::user_id).load(conn))?)
}

/// Lists the ids of the other members, ascending, without those with whom `me` has a block.
pub fn list_unblocked_others(db: &mut Db, id: ConversationId, me: UserId) -> Result<Vec<UserId>> {
    let is_between = (blocks::user_id.eq(me).and(blocks::blocked_id.eq(participants::user_id)))
        .or(blocks::blocked_id.eq(me).and(blocks::user_id.eq(participants::user_id)));
    let is_blocked = exists(blocks::table.filter(blocks::removed_at.is_null()).filter(is_between));
    Ok(on!(db, conn => participants::table.select(participants::user_id)
        .filter(participants::conversation_id.eq(id).and(participants::role.is_not_null()))
        .filter(participants::user_id.ne(me)).filter(not(is_blocked))
        .order(participants::user_id).load(conn))?)
}

/// Lists the current members, ascending, and whether each may see the message: sent after they
/// joined, not cleared and not hidden.
pub fn list_visibility(
    db: &mut Db,
    id: ConversationId,
    message_id: MessageId,
    seq: Seq,
) -> Result<Vec<(UserId, bool)>> {
    let is_hidden = exists(
        hidden_messages::table
            .filter(hidden_messages::user_id.eq(participants::user_id))
            .filter(hidden_messages::message_id.eq(message_id)),
    );
    let sees = participants::visible_from_seq.le(seq).and(participants::cleared_seq.lt(seq)).and(not(is_hidden));
    Ok(on!(db, conn => participants::table.select((participants::user_id, sees))
        .filter(participants::conversation_id.eq(id).and(participants::role.is_not_null()))
        .order(participants::user_id).load(conn))?)
}

/// Lists the participants of these conversations, or with `only` just that user.
pub fn list_participants(db: &mut Db, ids: &[ConversationId], only: Option<UserId>) -> Result<Vec<Participant>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = id_list(ids)?;
    Ok(on!(db, conn => {
        let mut query = participants::table.inner_join(users::table)
            .select(participant_columns!())
            .filter(participants::conversation_id.among(&ids).and(participants::role.is_not_null()))
            .order((participants::conversation_id, participants::user_id))
            .into_boxed();
        if let Some(user_id) = only {
            query = query.filter(participants::user_id.eq(user_id));
        }
        query.load(conn)
    })?)
}

/// Returns one participant, also one who left.
pub fn get_participant(db: &mut Db, id: ConversationId, user_id: UserId) -> Result<Participant> {
    Ok(on!(db, conn => participants::table.inner_join(users::table).select(participant_columns!())
        .filter(participants::conversation_id.eq(id).and(participants::user_id.eq(user_id))).first(conn))?)
}

/// Lists the current members of the conversation, by id.
pub fn list_page(db: &mut Db, id: ConversationId, after: i64, limit: i64) -> Result<Vec<Participant>> {
    Ok(on!(db, conn => participants::table.inner_join(users::table).select(participant_columns!())
        .filter(participants::conversation_id.eq(id).and(participants::role.is_not_null()))
        .filter(participants::user_id.gt(after)).order(participants::user_id).limit(limit).load(conn))?)
}
