//! Blocks and contacts between users.
//!
//! Blocks and contacts are private to their owner. Each change takes the owner's next private rev.
//! A removed block or contact stays as a row with `removed_at`.

use crate::error::Result;
use crate::ids::{Timestamp, UserId};
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::messaging::members::CHUNK;
use crate::store::schema::{blocks, contacts, conversations, declined_adders, participants, users};
use crate::store::{Db, on};
use diesel::prelude::*;
use std::collections::BTreeSet;

/// The maximum number of blocks or contacts that are listed. More of them are kept.
const MAX_LISTED: i64 = 1_000;

/// The relation between the caller and another user.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Relation {
    pub is_closed: bool,
    pub i_block: bool,
    pub blocks_me: bool,
    /// The other user has the caller as a contact.
    pub trusts_me: bool,
}

/// Sets or removes a block. Returns the private rev that it took, or `None` when nothing changed.
pub fn set_block(db: &mut Db, me: UserId, other: UserId, is_blocked: bool, now: Timestamp) -> Result<Option<i64>> {
    let current = on!(db, conn => blocks::table.select(blocks::removed_at.is_null())
        .filter(blocks::user_id.eq(me).and(blocks::blocked_id.eq(other))).first::<bool>(conn).optional())?;
    if current.unwrap_or(false) == is_blocked {
        return Ok(None);
    }
    let next = super::users::next_private_rev(db, me)?;
    let removed_at = (!is_blocked).then_some(now);
    let row = (blocks::user_id.eq(me), blocks::blocked_id.eq(other), blocks::created_at.eq(now), blocks::me.eq(next));
    on!(db, conn => diesel::insert_into(blocks::table).values(row)
        .on_conflict((blocks::user_id, blocks::blocked_id)).do_update()
        .set((blocks::removed_at.eq(removed_at), blocks::me.eq(next))).execute(conn))?;
    Ok(Some(next))
}

/// Sets or removes a contact. Returns the private rev that it took, or `None` when nothing changed.
pub fn set_contact(db: &mut Db, me: UserId, other: UserId, is_contact: bool, now: Timestamp) -> Result<Option<i64>> {
    let current = on!(db, conn => contacts::table.select(contacts::removed_at.is_null())
        .filter(contacts::user_id.eq(me).and(contacts::contact_id.eq(other))).first::<bool>(conn).optional())?;
    if current.unwrap_or(false) == is_contact {
        return Ok(None);
    }
    let next = super::users::next_private_rev(db, me)?;
    let removed_at = (!is_contact).then_some(now);
    let row =
        (contacts::user_id.eq(me), contacts::contact_id.eq(other), contacts::created_at.eq(now), contacts::me.eq(next));
    on!(db, conn => diesel::insert_into(contacts::table).values(row)
        .on_conflict((contacts::user_id, contacts::contact_id)).do_update()
        .set((contacts::removed_at.eq(removed_at), contacts::me.eq(next))).execute(conn))?;
    Ok(Some(next))
}

/// Lists the users whom `me` blocks, by id.
pub fn list_blocked(db: &mut Db, me: UserId) -> Result<Vec<UserId>> {
    Ok(on!(db, conn => blocks::table.select(blocks::blocked_id)
        .filter(blocks::user_id.eq(me)).filter(blocks::removed_at.is_null())
        .order(blocks::blocked_id).limit(MAX_LISTED).load(conn))?)
}

/// Lists the users whom `me` has as contacts, by id.
pub fn list_contacts(db: &mut Db, me: UserId) -> Result<Vec<UserId>> {
    Ok(on!(db, conn => contacts::table.select(contacts::contact_id)
        .filter(contacts::user_id.eq(me)).filter(contacts::removed_at.is_null())
        .order(contacts::contact_id).limit(MAX_LISTED).load(conn))?)
}

/// Deletes the blocks and contacts of `me`.
pub fn delete_relations(db: &mut Db, me: UserId) -> Result<()> {
    on!(db, conn => diesel::delete(blocks::table.filter(blocks::user_id.eq(me))).execute(conn))?;
    on!(db, conn => diesel::delete(contacts::table.filter(contacts::user_id.eq(me))).execute(conn))?;
    Ok(())
}

/// Lists the other user of each direct conversation of `me`, latest activity first, at most
/// `limit`.
pub fn list_partners(db: &mut Db, me: UserId, limit: i64) -> Result<Vec<UserId>> {
    let pairs: Vec<(Option<UserId>, Option<UserId>)> = on!(db, conn => participants::table
        .inner_join(conversations::table)
        .select((conversations::user_low, conversations::user_high))
        .filter(participants::user_id.eq(me).and(conversations::kind.eq("direct")))
        .order((conversations::active_at.desc(), conversations::id.desc())).limit(limit).load(conn))?;
    Ok(pairs.into_iter().filter_map(|(low, high)| if low == Some(me) { high } else { low }).collect())
}

/// The relation of a user to a caller who wants to add them to a group.
#[derive(Clone, Copy, Debug)]
pub struct Invited {
    /// Either of the two blocks the other.
    pub is_blocked: bool,
    /// The user has the caller as a contact, or wrote to the caller before.
    pub is_known: bool,
    /// The user left a group to which the caller had added them.
    pub has_declined: bool,
    /// The number of groups that the user is in.
    pub group_count: i64,
}

/// Lists the relations between `me` and these users, in no order. Unknown and closed accounts are
/// left out.
pub fn list_invitations(db: &mut Db, me: UserId, others: &[UserId]) -> Result<Vec<Invited>> {
    let mut invited = Vec::with_capacity(others.len());
    for others in others.chunks(CHUNK) {
        let ids = id_list(others)?;
        let people: Vec<(UserId, i64)> = on!(&mut *db, conn => users::table.select((users::id, users::group_count))
            .filter(users::id.among(&ids).and(users::deleted_at.is_null())).load(conn))?;
        let mine = blocks::user_id.eq(me).and(blocks::blocked_id.among(&ids));
        let theirs = blocks::blocked_id.eq(me).and(blocks::user_id.among(&ids));
        let pairs: Vec<(UserId, UserId)> = on!(&mut *db, conn => blocks::table
            .select((blocks::user_id, blocks::blocked_id))
            .filter(mine.or(theirs)).filter(blocks::removed_at.is_null()).load(conn))?;
        let blocked: BTreeSet<UserId> = pairs.into_iter().flat_map(|(one, other)| [one, other]).collect();
        let trusting: Vec<UserId> = on!(&mut *db, conn => contacts::table.select(contacts::user_id)
            .filter(contacts::contact_id.eq(me).and(contacts::removed_at.is_null()))
            .filter(contacts::user_id.among(&ids)).load(conn))?;
        let lower = conversations::user_high.eq(me).and(conversations::user_low.among(&ids));
        let higher = conversations::user_low.eq(me).and(conversations::user_high.among(&ids));
        let writers: Vec<UserId> = on!(&mut *db, conn => conversations::table
            .inner_join(participants::table)
            .select(participants::user_id)
            .filter(lower.or(higher)).filter(participants::has_written).load(conn))?;
        let known: BTreeSet<UserId> = trusting.into_iter().chain(writers).collect();
        let declined: Vec<UserId> = on!(&mut *db, conn => declined_adders::table.select(declined_adders::user_id)
            .filter(declined_adders::adder_id.eq(me).and(declined_adders::user_id.among(&ids))).load(conn))?;
        let declined: BTreeSet<UserId> = declined.into_iter().collect();
        invited.extend(people.into_iter().map(|(user_id, group_count)| Invited {
            is_blocked: blocked.contains(&user_id),
            is_known: known.contains(&user_id),
            has_declined: declined.contains(&user_id),
            group_count,
        }));
    }
    Ok(invited)
}
