//! Moves of shared positions that are committed and not sent yet. There is one row for each
//! participant who moved since the last time. Receipts are sent from here.

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
    /// The time when the position moved last.
    pub at: Timestamp,
}

impl PendingReceipt {
    /// The position of the participant once this is sent.
    pub fn apply(&self, positions: Positions) -> Positions {
        Positions {
            delivered_seq: positions.delivered_seq.max(self.delivered_seq),
            read_seq: positions.read_seq.max(self.read_seq),
            ..positions
        }
    }
}

/// Finds the move of one participant that is not sent yet.
pub fn find(db: &mut Db, id: ConversationId, user_id: UserId) -> Result<Option<PendingReceipt>> {
    Ok(on!(db, conn => rows::table.find((id, user_id)).select(PendingReceipt::as_select()).first(conn).optional())?)
}

/// Stores the move in place of the participant's earlier one.
pub fn put(db: &mut Db, pending: &PendingReceipt) -> Result<()> {
    let PendingReceipt { conversation_id, user_id, delivered_seq, read_seq, at } = *pending;
    let moved = (rows::delivered_seq.eq(delivered_seq), rows::read_seq.eq(read_seq), rows::at.eq(at));
    let row = (rows::conversation_id.eq(conversation_id), rows::user_id.eq(user_id), moved);
    on!(db, conn => diesel::insert_into(rows::table).values(row)
        .on_conflict((rows::conversation_id, rows::user_id)).do_update().set(moved).execute(conn))?;
    Ok(())
}

/// Lists the conversations with moves that are not sent yet: after this id, at most `limit`.
pub fn list_conversations(db: &mut Db, after: i64, limit: i64) -> Result<Vec<ConversationId>> {
    Ok(on!(db, conn => rows::table.select(rows::conversation_id).distinct()
        .filter(rows::conversation_id.gt(after)).order(rows::conversation_id).limit(limit).load(conn))?)
}

/// Removes and returns the moves of a conversation, by participant.
pub fn take(db: &mut Db, id: ConversationId) -> Result<Vec<PendingReceipt>> {
    let mut taken: Vec<PendingReceipt> = on!(db, conn => diesel::delete(rows::table.filter(rows::conversation_id.eq(id)))
        .returning(PendingReceipt::as_returning()).get_results(conn))?;
    taken.sort_by_key(|pending| pending.user_id);
    Ok(taken)
}
