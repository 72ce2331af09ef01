//! Moves of shared positions that are committed and not told yet: one row for each participant who
//! moved since the last time. What is told is taken from here.

use super::positions::Positions;
use crate::error::Result;
use crate::ids::{ConversationId, Seq, Timestamp, UserId};
use crate::store::schema::pending_receipts as rows;
use crate::store::{Db, on};
use diesel::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = rows)]
pub struct PendingReceipt {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub delivered_seq: Seq,
    pub read_seq: Seq,
    /// When the position moved last.
    pub at: Timestamp,
}

impl PendingReceipt {
    /// Where the participant is once this is told.
    pub fn apply(&self, positions: Positions) -> Positions {
        Positions {
            delivered_seq: positions.delivered_seq.max(self.delivered_seq),
            read_seq: positions.read_seq.max(self.read_seq),
            ..positions
        }
    }
}

/// The move of one participant that is not told yet.
pub fn find(db: &mut Db, id: ConversationId, user_id: UserId) -> Result<Option<PendingReceipt>> {
    Ok(on!(db, conn => rows::table.find((id, user_id)).select(PendingReceipt::as_select()).first(conn).optional())?)
}

/// In place of the participant's earlier one.
pub fn put(db: &mut Db, pending: &PendingReceipt) -> Result<()> {
    let PendingReceipt { conversation_id, user_id, delivered_seq, read_seq, at } = *pending;
    let moved = (rows::delivered_seq.eq(delivered_seq), rows::read_seq.eq(read_seq), rows::at.eq(at));
    let row = (rows::conversation_id.eq(conversation_id), rows::user_id.eq(user_id), moved);
    on!(db, conn => diesel::insert_into(rows::table).values(row)
        .on_conflict((rows::conversation_id, rows::user_id)).do_update().set(moved).execute(conn))?;
    Ok(())
}

/// Conversations with moves that are not told yet: the next after this id, so many.
pub fn list_conversations(db: &mut Db, after: i64, limit: i64) -> Result<Vec<ConversationId>> {
    Ok(on!(db, conn => rows::table.select(rows::conversation_id).distinct()
        .filter(rows::conversation_id.gt(after)).order(rows::conversation_id).limit(limit).load(conn))?)
}

/// Takes the moves of a conversation out, by participant.
pub fn take(db: &mut Db, id: ConversationId) -> Result<Vec<PendingReceipt>> {
    let mut taken: Vec<PendingReceipt> = on!(db, conn => diesel::delete(rows::table.filter(rows::conversation_id.eq(id)))
        .returning(PendingReceipt::as_returning()).get_results(conn))?;
    taken.sort_by_key(|pending| pending.user_id);
    Ok(taken)
}
