//! Deletes receipt marks older than a bound. The times of messages sent before it are not reported
//! any more, because the remaining marks may be later ones.

use crate::error::Result;
use crate::ids::{ConversationId, Seq, Timestamp, UserId};
use crate::store::schema::{receipt_marks, receipt_times};
use crate::store::{Db, on};
use diesel::prelude::*;

/// The time from which marks are complete. Messages sent before it have lost marks.
pub fn kept_from(db: &mut Db) -> Result<Timestamp> {
    Ok(on!(db, conn => receipt_times::table.select(receipt_times::kept_from).first(conn))?)
}

/// Deletes marks from before `cutoff`, the oldest first, at most `limit`. Returns how many.
pub fn prune(db: &mut Db, cutoff: Timestamp, limit: i64) -> Result<usize> {
    let key = (receipt_marks::conversation_id, receipt_marks::user_id, receipt_marks::kind, receipt_marks::seq);
    let old: Vec<((ConversationId, UserId, String, Seq), Timestamp)> = on!(db, conn => receipt_marks::table
        .select((key, receipt_marks::at))
        .filter(receipt_marks::at.lt(cutoff)).order(receipt_marks::at).limit(limit).load(conn))?;
    let Some((_, newest)) = old.last() else { return Ok(0) };
    // A message is older than its marks.
    let kept_from = Timestamp::from_millis(newest.as_millis() + 1);
    on!(db, conn => diesel::update(receipt_times::table.filter(receipt_times::kept_from.lt(kept_from)))
        .set(receipt_times::kept_from.eq(kept_from)).execute(conn))?;
    for ((id, user_id, kind, seq), _) in &old {
        on!(db, conn => diesel::delete(receipt_marks::table.find((*id, *user_id, kind.as_str(), *seq))).execute(conn))?;
    }
    Ok(old.len())
}
