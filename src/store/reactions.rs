//! Who reacted to which message with what.

use super::Db;
use super::on;
use super::schema::reactions;
use crate::error::Result;
use crate::ids::{MessageId, Rev, UserId};
use diesel::dsl::{count_star, exists, not};
use diesel::prelude::*;

/// People named for each emoji of a message: the first.
pub const MAX_NAMED: i64 = 20;

/// Sets the reaction; false when it was set already.
pub fn insert_reaction(db: &mut Db, id: MessageId, emoji: &str, user_id: UserId, rev: Rev) -> Result<bool> {
    let row = (
        reactions::message_id.eq(id),
        reactions::emoji.eq(emoji),
        reactions::user_id.eq(user_id),
        reactions::rev.eq(rev),
    );
    let rows =
        on!(db, conn => diesel::insert_into(reactions::table).values(row).on_conflict_do_nothing().execute(conn))?;
    Ok(rows > 0)
}

pub fn delete_reaction(db: &mut Db, id: MessageId, emoji: &str, user_id: UserId) -> Result<()> {
    on!(db, conn => diesel::delete(reactions::table.find((id, emoji, user_id))).execute(conn))?;
    Ok(())
}

pub fn delete_reactions(db: &mut Db, id: MessageId) -> Result<()> {
    on!(db, conn => diesel::delete(reactions::table.filter(reactions::message_id.eq(id))).execute(conn))?;
    Ok(())
}

pub fn has_reacted(db: &mut Db, id: MessageId, emoji: &str, user_id: UserId) -> Result<bool> {
    Ok(on!(db, conn => diesel::select(exists(reactions::table.find((id, emoji, user_id)))).get_result(conn))?)
}

/// How many people reacted to a message with one emoji.
#[derive(Clone, Debug, Queryable)]
pub struct Tally {
    pub message_id: MessageId,
    pub emoji: String,
    pub count: i64,
}

/// By message and emoji.
pub fn list_tallies(db: &mut Db, ids: &[MessageId]) -> Result<Vec<Tally>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    Ok(on!(db, conn => reactions::table
        .group_by((reactions::message_id, reactions::emoji))
        .select((reactions::message_id, reactions::emoji, count_star()))
        .filter(reactions::message_id.eq_any(&ids))
        .order((reactions::message_id, reactions::emoji)).load(conn))?)
}

/// One person's reaction.
#[derive(Clone, Debug, Queryable)]
pub struct Reaction {
    pub message_id: MessageId,
    pub emoji: String,
    pub user_id: UserId,
}

/// The first `MAX_NAMED` of each message and emoji, in their order.
pub fn list_first(db: &mut Db, ids: &[MessageId]) -> Result<Vec<Reaction>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let earlier = diesel::alias!(reactions as earlier);
    // Stops at the twentieth, however many there are.
    let is_late = exists(
        earlier
            .filter(earlier.field(reactions::message_id).eq(reactions::message_id))
            .filter(earlier.field(reactions::emoji).eq(reactions::emoji))
            .filter(earlier.field(reactions::rev).lt(reactions::rev))
            .limit(1)
            .offset(MAX_NAMED - 1),
    );
    Ok(on!(db, conn => reactions::table
        .select((reactions::message_id, reactions::emoji, reactions::user_id))
        .filter(reactions::message_id.eq_any(&ids).and(not(is_late)))
        .order((reactions::message_id, reactions::emoji, reactions::rev)).load(conn))?)
}
