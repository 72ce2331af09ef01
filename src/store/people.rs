//! Who blocks whom, who has whom as a contact, and who may see whose presence.
//!
//! Blocks and contacts are private to their owner: each change takes the
//! owner's next `me`, and a lifted one stays as a row with `removed_at`.

use super::Db;
use super::on;
use super::schema::{blocks, contacts, conversations, participants, users};
use crate::error::Result;
use crate::ids::{ConversationId, Timestamp, UserId};
use diesel::dsl::{count_star, exists};
use diesel::prelude::*;
use std::collections::BTreeSet;

/// Presence is shared in groups of up to this many people.
pub const MAX_PRESENCE_GROUP: i64 = 100;

/// More blocks or contacts than this are kept, but not listed.
const MAX_LISTED: i64 = 1_000;

/// How another person stands to one.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Standing {
    pub is_closed: bool,
    pub i_block: bool,
    pub blocks_me: bool,
    /// They have me as a contact.
    pub trusts_me: bool,
}

/// The `me` it took; none when it was so already.
pub fn set_block(db: &mut Db, me: UserId, other: UserId, is_blocked: bool, now: Timestamp) -> Result<Option<i64>> {
    let current = on!(db, conn => blocks::table.select(blocks::removed_at.is_null())
        .filter(blocks::user_id.eq(me).and(blocks::blocked_id.eq(other))).first::<bool>(conn).optional())?;
    if current.unwrap_or(false) == is_blocked {
        return Ok(None);
    }
    let next = super::users::next_me(db, me)?;
    let removed_at = (!is_blocked).then_some(now);
    let row = (blocks::user_id.eq(me), blocks::blocked_id.eq(other), blocks::created_at.eq(now), blocks::me.eq(next));
    on!(db, conn => diesel::insert_into(blocks::table).values(row)
        .on_conflict((blocks::user_id, blocks::blocked_id)).do_update()
        .set((blocks::removed_at.eq(removed_at), blocks::me.eq(next))).execute(conn))?;
    Ok(Some(next))
}

/// The `me` it took; none when it was so already.
pub fn set_contact(db: &mut Db, me: UserId, other: UserId, is_contact: bool, now: Timestamp) -> Result<Option<i64>> {
    let current = on!(db, conn => contacts::table.select(contacts::removed_at.is_null())
        .filter(contacts::user_id.eq(me).and(contacts::contact_id.eq(other))).first::<bool>(conn).optional())?;
    if current.unwrap_or(false) == is_contact {
        return Ok(None);
    }
    let next = super::users::next_me(db, me)?;
    let removed_at = (!is_contact).then_some(now);
    let row =
        (contacts::user_id.eq(me), contacts::contact_id.eq(other), contacts::created_at.eq(now), contacts::me.eq(next));
    on!(db, conn => diesel::insert_into(contacts::table).values(row)
        .on_conflict((contacts::user_id, contacts::contact_id)).do_update()
        .set((contacts::removed_at.eq(removed_at), contacts::me.eq(next))).execute(conn))?;
    Ok(Some(next))
}

/// Whom `me` blocks, by id.
pub fn list_blocked(db: &mut Db, me: UserId) -> Result<Vec<UserId>> {
    Ok(on!(db, conn => blocks::table.select(blocks::blocked_id)
        .filter(blocks::user_id.eq(me)).filter(blocks::removed_at.is_null())
        .order(blocks::blocked_id).limit(MAX_LISTED).load(conn))?)
}

/// Whom `me` has as a contact, by id.
pub fn list_contacts(db: &mut Db, me: UserId) -> Result<Vec<UserId>> {
    Ok(on!(db, conn => contacts::table.select(contacts::contact_id)
        .filter(contacts::user_id.eq(me)).filter(contacts::removed_at.is_null())
        .order(contacts::contact_id).limit(MAX_LISTED).load(conn))?)
}

/// Forgets whom somebody blocked and whom they had as contacts.
pub fn delete_ties(db: &mut Db, me: UserId) -> Result<()> {
    on!(db, conn => diesel::delete(blocks::table.filter(blocks::user_id.eq(me))).execute(conn))?;
    on!(db, conn => diesel::delete(contacts::table.filter(contacts::user_id.eq(me))).execute(conn))?;
    Ok(())
}

/// Everybody with whom there is a block, in either direction.
pub fn list_block_partners(db: &mut Db, me: UserId) -> Result<BTreeSet<UserId>> {
    let pairs: Vec<(UserId, UserId)> = on!(db, conn => blocks::table
        .select((blocks::user_id, blocks::blocked_id))
        .filter(blocks::user_id.eq(me).or(blocks::blocked_id.eq(me)))
        .filter(blocks::removed_at.is_null()).load(conn))?;
    Ok(pairs.into_iter().map(|(one, other)| if one == me { other } else { one }).collect())
}

/// How somebody stands to one who would bring them into a group.
#[derive(Clone, Copy, Debug)]
pub struct Invited {
    /// By either.
    pub is_blocked: bool,
    /// They have one as a contact, or wrote to one before.
    pub is_known: bool,
}

/// What lies between `me` and these people, of those who exist and whose
/// accounts are not closed, in no order.
pub fn list_invitations(db: &mut Db, me: UserId, others: &[UserId]) -> Result<Vec<Invited>> {
    let ids: Vec<i64> = others.iter().map(|id| id.get()).collect();
    let people: Vec<UserId> = on!(db, conn => users::table.select(users::id)
        .filter(users::id.eq_any(&ids).and(users::deleted_at.is_null())).load(conn))?;
    let blocked = list_block_partners(db, me)?;
    let trusting: Vec<UserId> = on!(db, conn => contacts::table.select(contacts::user_id)
        .filter(contacts::contact_id.eq(me).and(contacts::removed_at.is_null()))
        .filter(contacts::user_id.eq_any(&ids)).load(conn))?;
    let known: BTreeSet<UserId> = trusting.into_iter().chain(list_writers(db, me)?).collect();
    let invited = |user_id| Invited { is_blocked: blocked.contains(&user_id), is_known: known.contains(&user_id) };
    Ok(people.into_iter().map(invited).collect())
}

/// Who wrote to `me` in a direct conversation.
fn list_writers(db: &mut Db, me: UserId) -> Result<Vec<UserId>> {
    let other = diesel::alias!(participants as other);
    Ok(on!(db, conn => participants::table
        .inner_join(conversations::table)
        .inner_join(other.on(other.field(participants::conversation_id).eq(participants::conversation_id)))
        .select(other.field(participants::user_id))
        .filter(participants::user_id.eq(me).and(other.field(participants::user_id).ne(me)))
        .filter(conversations::kind.eq("direct"))
        .filter(other.field(participants::has_written)).load(conn))?)
}

/// Who may see the presence of `subject`.
pub fn list_viewers(db: &mut Db, subject: UserId) -> Result<Vec<UserId>> {
    let written_to: Vec<(Option<UserId>, Option<UserId>)> = on!(db, conn => participants::table
        .inner_join(conversations::table)
        .select((conversations::user_low, conversations::user_high))
        .filter(participants::user_id.eq(subject).and(participants::has_written))
        .filter(conversations::kind.eq("direct")).load(conn))?;
    let trusted: Vec<UserId> = on!(db, conn => contacts::table.select(contacts::contact_id)
        .filter(contacts::user_id.eq(subject)).filter(contacts::removed_at.is_null()).load(conn))?;
    let mut people: BTreeSet<UserId> = trusted.into_iter().collect();
    people.extend(written_to.into_iter().flat_map(|(low, high)| [low, high]).flatten());
    people.extend(list_group_mates(db, subject)?);
    without_blocked(db, subject, people)
}

/// Whose presence `viewer` may see.
pub fn list_visible(db: &mut Db, viewer: UserId) -> Result<Vec<UserId>> {
    let writers = list_writers(db, viewer)?;
    let trusting: Vec<UserId> = on!(db, conn => contacts::table.select(contacts::user_id)
        .filter(contacts::contact_id.eq(viewer)).filter(contacts::removed_at.is_null()).load(conn))?;
    let mut people: BTreeSet<UserId> = trusting.into_iter().chain(writers).collect();
    people.extend(list_group_mates(db, viewer)?);
    without_blocked(db, viewer, people)
}

/// Whether `viewer` may see the presence of `subject`: `list_visible` for one
/// pair, by a few lookups.
pub fn may_see(db: &mut Db, viewer: UserId, subject: UserId) -> Result<bool> {
    let either_way = |one: UserId, other: UserId| blocks::user_id.eq(one).and(blocks::blocked_id.eq(other));
    let is_blocked: bool = on!(db, conn => diesel::select(exists(blocks::table
        .filter(either_way(viewer, subject).or(either_way(subject, viewer)))
        .filter(blocks::removed_at.is_null()))).get_result(conn))?;
    if is_blocked {
        return Ok(false);
    }
    let is_contact: bool = on!(db, conn => diesel::select(exists(contacts::table
        .filter(contacts::user_id.eq(subject).and(contacts::contact_id.eq(viewer)))
        .filter(contacts::removed_at.is_null()))).get_result(conn))?;
    Ok(is_contact
        || super::conversations::has_written_to(db, subject, viewer)?
        || list_group_mates(db, viewer)?.contains(&subject))
}

fn without_blocked(db: &mut Db, me: UserId, mut people: BTreeSet<UserId>) -> Result<Vec<UserId>> {
    people.remove(&me);
    if people.is_empty() {
        return Ok(Vec::new());
    }
    let blocked = list_block_partners(db, me)?;
    Ok(people.into_iter().filter(|person| !blocked.contains(person)).collect())
}

/// Members of the small groups `me` is in.
fn list_group_mates(db: &mut Db, me: UserId) -> Result<Vec<UserId>> {
    let groups: Vec<ConversationId> = on!(db, conn => participants::table
        .inner_join(conversations::table)
        .select(participants::conversation_id)
        .filter(participants::user_id.eq(me).and(participants::role.is_not_null()))
        .filter(conversations::kind.eq("group")).load(conn))?;
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let groups: Vec<i64> = groups.into_iter().map(ConversationId::get).collect();
    let small: Vec<i64> = on!(db, conn => participants::table
        .group_by(participants::conversation_id)
        .having(count_star().le(MAX_PRESENCE_GROUP))
        .select(participants::conversation_id)
        .filter(participants::conversation_id.eq_any(&groups).and(participants::role.is_not_null()))
        .load(conn))?;
    Ok(on!(db, conn => participants::table.select(participants::user_id)
        .filter(participants::conversation_id.eq_any(&small).and(participants::role.is_not_null()))
        .distinct().load(conn))?)
}
