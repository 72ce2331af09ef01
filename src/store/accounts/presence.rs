//! Presence visibility: which users may see the presence of which others.
//!
//! A viewer sees a subject if neither blocks the other and one of these holds:
//!
//! - the subject wrote to the viewer;
//! - the subject has the viewer as a contact;
//! - both are in a small group.

use super::pairs::{MAX_PRESENCE_GROUP, Pairs, Whose};
use crate::error::Result;
use crate::ids::{ConversationId, Timestamp, UserId};
use crate::store::connection::id_list::{IdList, IdListMethods, id_list};
use crate::store::schema::{blocks, contacts, conversations, participants, users};
use crate::store::{Db, on};
use diesel::dsl::exists;
use diesel::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// The number of newest groups that are checked first for groups that two users share.
const NEWEST: i64 = 5;
/// The number of users whose newest groups are checked.
const LOOKED_AT: usize = 3;
/// The number of groups that one statement looks up.
const CHUNK: usize = 500;

/// A viewer and a subject.
pub type VisiblePair = (UserId, UserId);

/// Whether the conversation of a `participants` row is a small group. It is looked up by the row:
/// with statistics, SQLite would begin a join with every existing group.
macro_rules! is_in_small_group {
    () => {
        exists(
            conversations::table
                .filter(conversations::id.eq(participants::conversation_id))
                .filter(conversations::kind.eq("group").and(conversations::member_count.le(MAX_PRESENCE_GROUP))),
        )
    };
}

/// Lists the users who may see the presence of each subject, ascending. Every subject has an entry.
pub fn list_viewers(db: &mut Db, subjects: &[UserId]) -> Result<HashMap<UserId, Vec<UserId>>> {
    let list = id_list(subjects)?;
    let other = diesel::alias!(participants as other);
    let is_direct = conversations::table
        .filter(conversations::id.eq(participants::conversation_id).and(conversations::kind.eq("direct")));
    let written_to: Vec<(UserId, UserId)> = on!(&mut *db, conn => participants::table
        .inner_join(other.on(other.field(participants::conversation_id).eq(participants::conversation_id)))
        .select((participants::user_id, other.field(participants::user_id)))
        .filter(participants::user_id.among(&list).and(participants::has_written))
        .filter(exists(is_direct)).load(conn))?;
    let trusted: Vec<(UserId, UserId)> = on!(&mut *db, conn => contacts::table
        .select((contacts::user_id, contacts::contact_id))
        .filter(contacts::user_id.among(&list)).filter(contacts::removed_at.is_null()).load(conn))?;
    let mut viewers: HashMap<UserId, BTreeSet<UserId>> =
        subjects.iter().map(|subject| (*subject, BTreeSet::new())).collect();
    let mut add = |(subject, viewer)| {
        viewers.entry(subject).or_default().insert(viewer);
    };
    written_to.into_iter().chain(trusted).chain(list_group_mates(db, &list)?).for_each(&mut add);
    for (subject, viewers) in &mut viewers {
        viewers.remove(subject);
    }
    if viewers.values().any(|viewers| !viewers.is_empty()) {
        for (one, other) in list_blocks_of(db, &list)? {
            for (subject, viewer) in [(one, other), (other, one)] {
                if let Some(viewers) = viewers.get_mut(&subject) {
                    viewers.remove(&viewer);
                }
            }
        }
    }
    Ok(viewers.into_iter().map(|(subject, viewers)| (subject, viewers.into_iter().collect())).collect())
}

/// Lists the users whose presence `viewer` may see.
pub fn list_visible(db: &mut Db, viewer: UserId) -> Result<Vec<UserId>> {
    let writers = list_writers(db, viewer, i64::MAX)?;
    let trusting = list_trusting(db, viewer, i64::MAX)?;
    let mates = list_group_mates(db, &id_list(&[viewer])?)?.into_iter().map(|(_, mate)| mate);
    without_blocked(db, viewer, writers.into_iter().chain(trusting).chain(mates).collect())
}

/// Lists the same users if they are few: none if more than `most` users wrote to the viewer, or have
/// the viewer as a contact. `is_in_groups` is false if the caller knows that the viewer is in no
/// group.
pub fn list_few_visible(db: &mut Db, viewer: UserId, is_in_groups: bool, most: i64) -> Result<Option<Vec<UserId>>> {
    let writers = list_writers(db, viewer, most + 1)?;
    let trusting = list_trusting(db, viewer, most + 1)?;
    if writers.len().max(trusting.len()) as i64 > most {
        return Ok(None);
    }
    let mut people: BTreeSet<UserId> = writers.into_iter().chain(trusting).collect();
    if is_in_groups {
        people.extend(list_group_mates(db, &id_list(&[viewer])?)?.into_iter().map(|(_, mate)| mate));
    }
    without_blocked(db, viewer, people).map(Some)
}

fn without_blocked(db: &mut Db, viewer: UserId, mut people: BTreeSet<UserId>) -> Result<Vec<UserId>> {
    people.remove(&viewer);
    if !people.is_empty() {
        for (one, other) in list_blocks_of(db, &id_list(&[viewer])?)? {
            people.remove(&if one == viewer { other } else { one });
        }
    }
    Ok(people.into_iter().collect())
}

/// Lists users who have `me` as a contact.
fn list_trusting(db: &mut Db, me: UserId, most: i64) -> Result<Vec<UserId>> {
    Ok(on!(db, conn => contacts::table.select(contacts::user_id)
        .filter(contacts::contact_id.eq(me)).filter(contacts::removed_at.is_null()).limit(most).load(conn))?)
}

/// Lists users who wrote to `me` in a direct conversation.
fn list_writers(db: &mut Db, me: UserId, most: i64) -> Result<Vec<UserId>> {
    let other = diesel::alias!(participants as other);
    Ok(on!(db, conn => participants::table
        .inner_join(conversations::table)
        .inner_join(other.on(other.field(participants::conversation_id).eq(participants::conversation_id)))
        .select(other.field(participants::user_id))
        .filter(participants::user_id.eq(me).and(other.field(participants::user_id).ne(me)))
        .filter(conversations::kind.eq("direct"))
        .filter(other.field(participants::has_written)).limit(most).load(conn))?)
}

/// Lists each of these users with the members of the small groups that they are in, themselves
/// included.
fn list_group_mates(db: &mut Db, people: &IdList) -> Result<Vec<(UserId, UserId)>> {
    let other = diesel::alias!(participants as other);
    Ok(on!(db, conn => participants::table
        .inner_join(other.on(other.field(participants::conversation_id).eq(participants::conversation_id)))
        .select((participants::user_id, other.field(participants::user_id)))
        .filter(participants::user_id.among(people).and(participants::role.is_not_null()))
        .filter(is_in_small_group!())
        .filter(other.field(participants::role).is_not_null())
        .distinct().load(conn))?)
}

/// Lists the blocks that these users have with others, in either direction.
fn list_blocks_of(db: &mut Db, people: &IdList) -> Result<Vec<(UserId, UserId)>> {
    Ok(on!(db, conn => blocks::table
        .select((blocks::user_id, blocks::blocked_id))
        .filter(blocks::user_id.among(people).or(blocks::blocked_id.among(people)))
        .filter(blocks::removed_at.is_null()).load(conn))?)
}

/// Which of two users sees the other's presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mutual {
    pub one_sees_other: bool,
    pub other_sees_one: bool,
}

/// Applies the same rule to two users, with a few lookups.
pub fn between(db: &mut Db, one: UserId, other: UserId) -> Result<Mutual> {
    if is_block_between(db, one, other)? {
        return Ok(Mutual::default());
    }
    if share_small_group(db, one, other)? {
        return Ok(Mutual { one_sees_other: true, other_sees_one: true });
    }
    let mut shows_to = |subject: UserId, viewer: UserId| -> Result<bool> {
        let has_contact: bool = on!(&mut *db, conn => diesel::select(exists(contacts::table
            .filter(contacts::user_id.eq(subject).and(contacts::contact_id.eq(viewer)))
            .filter(contacts::removed_at.is_null()))).get_result(conn))?;
        Ok(has_contact || crate::store::messaging::conversations::has_written_to(db, subject, viewer)?)
    };
    Ok(Mutual { one_sees_other: shows_to(other, one)?, other_sees_one: shows_to(one, other)? })
}

fn is_block_between(db: &mut Db, one: UserId, other: UserId) -> Result<bool> {
    let by = |one: UserId, other: UserId| blocks::user_id.eq(one).and(blocks::blocked_id.eq(other));
    Ok(on!(db, conn => diesel::select(exists(blocks::table
        .filter(by(one, other).or(by(other, one))).filter(blocks::removed_at.is_null()))).get_result(conn))?)
}

fn share_small_group(db: &mut Db, one: UserId, other: UserId) -> Result<bool> {
    let theirs = diesel::alias!(participants as theirs);
    let shared = participants::table
        .inner_join(theirs.on(theirs.field(participants::conversation_id).eq(participants::conversation_id)))
        .filter(participants::user_id.eq(one).and(participants::role.is_not_null()))
        .filter(theirs.field(participants::user_id).eq(other).and(theirs.field(participants::role).is_not_null()))
        .filter(is_in_small_group!());
    Ok(on!(db, conn => diesel::select(exists(shared)).get_result(conn))?)
}

/// Lists which of these members of a group see each other through this group alone, whether the
/// group counts now or not. `members` is a small group, or one member more.
///
/// In the common case the members share groups, and the newest groups of a few of them give the
/// answer. The general case reads each membership of these users once, and the groups in which
/// there are two of them.
pub fn list_visible_pairs_by_group(
    db: &mut Db,
    id: ConversationId,
    members: &[UserId],
    whose: Whose,
) -> Result<Vec<VisiblePair>> {
    let mut pairs = match whose {
        Whose::Of(member) => Pairs::of(member, members),
        Whose::Everybody => Pairs::all(members),
    };
    let looked_at = if matches!(whose, Whose::Everybody) { LOOKED_AT } else { 1 };
    for _ in 0..looked_at {
        remove_by_newest_groups(db, id, &mut pairs, whose)?;
    }
    if !pairs.is_empty() {
        match whose {
            Whose::Of(member) => remove_mates(db, id, &mut pairs, member)?,
            Whose::Everybody => remove_by_memberships(db, id, &mut pairs)?,
        }
    }
    let mut shown = BTreeSet::new();
    for (from, to) in pairs.sides(whose) {
        for (one, other) in list_blocks_within(db, &from, &to)? {
            pairs.remove(one, other);
        }
        shown.extend(list_contacts_within(db, &from, &to)?);
        shown.extend(list_writers_within(db, &from, &to)?);
    }
    let both = pairs.list().into_iter().flat_map(|(one, other)| [(one, other), (other, one)]);
    Ok(both.filter(|(viewer, subject)| !shown.contains(&(*subject, *viewer))).collect())
}

/// Removes the pairs that share one of the newest small groups of a member.
fn remove_by_newest_groups(db: &mut Db, id: ConversationId, pairs: &mut Pairs, whose: Whose) -> Result<()> {
    let (people, busiest) = (id_list(pairs.people())?, id_list(pairs.busiest())?);
    let first: Option<UserId> = match whose {
        _ if pairs.people().next().is_none() => None,
        Whose::Of(member) => Some(member),
        // This member is the most likely to share groups with the others.
        Whose::Everybody => on!(&mut *db, conn => users::table.select(users::id)
            .filter(users::id.among(&busiest))
            .order((users::group_count.desc(), users::id)).first(conn).optional())?,
    };
    let Some(first) = first else { return Ok(()) };
    let newest: Vec<ConversationId> = on!(&mut *db, conn => participants::table
        .select(participants::conversation_id)
        .filter(participants::user_id.eq(first).and(participants::role.is_not_null()))
        .filter(participants::conversation_id.ne(id).and(is_in_small_group!()))
        .order(participants::conversation_id.desc()).limit(NEWEST).load(conn))?;
    let newest = id_list(&newest)?;
    let found: Vec<(ConversationId, UserId)> = on!(db, conn => participants::table
        .select((participants::conversation_id, participants::user_id))
        .filter(participants::conversation_id.among(&newest).and(participants::user_id.among(&people)))
        .filter(participants::role.is_not_null()).load(conn))?;
    pairs.remove_groups(found);
    Ok(())
}

/// Removes the pairs of `member` with each user who shares a small group with them.
fn remove_mates(db: &mut Db, id: ConversationId, pairs: &mut Pairs, member: UserId) -> Result<()> {
    let people = id_list(pairs.people())?;
    let other = diesel::alias!(participants as other);
    let mates: Vec<UserId> = on!(db, conn => participants::table
        .inner_join(other.on(other.field(participants::conversation_id).eq(participants::conversation_id)))
        .select(other.field(participants::user_id))
        .filter(participants::user_id.eq(member).and(participants::role.is_not_null()))
        .filter(participants::conversation_id.ne(id).and(is_in_small_group!()))
        .filter(other.field(participants::user_id).among(&people))
        .filter(other.field(participants::role).is_not_null())
        .distinct().load(conn))?;
    for mate in mates {
        pairs.remove(member, mate);
    }
    Ok(())
}

/// Removes the pairs that share any small group, by all memberships of the remaining users.
fn remove_by_memberships(db: &mut Db, id: ConversationId, pairs: &mut Pairs) -> Result<()> {
    let people = id_list(pairs.people())?;
    // Without the conversation or the role in the condition, SQLite reads only an index.
    let mut all: Vec<ConversationId> = on!(&mut *db, conn => participants::table
        .select(participants::conversation_id)
        .filter(participants::user_id.among(&people).and(participants::conversation_id.ne(id))).load(conn))?;
    all.sort_unstable();
    let shared: Vec<ConversationId> = all.chunk_by(|one, next| one == next).filter_map(twice).collect();
    for groups in shared.chunks(CHUNK) {
        let groups = id_list(groups)?;
        let found: Vec<(ConversationId, UserId)> = on!(&mut *db, conn => participants::table
            .select((participants::conversation_id, participants::user_id))
            .filter(participants::conversation_id.among(&groups).and(participants::user_id.among(&people)))
            .filter(participants::role.is_not_null().and(is_in_small_group!())).load(conn))?;
        pairs.remove_groups(found);
        if pairs.is_empty() {
            break;
        }
    }
    Ok(())
}

/// The value that occurs more than once.
fn twice<T: Copy>(same: &[T]) -> Option<T> {
    same.get(1).copied()
}

fn list_blocks_within(db: &mut Db, from: &[UserId], to: &[UserId]) -> Result<Vec<(UserId, UserId)>> {
    let (from, to) = (id_list(from)?, id_list(to)?);
    Ok(on!(db, conn => blocks::table.select((blocks::user_id, blocks::blocked_id))
        .filter(blocks::user_id.among(&from).and(blocks::blocked_id.among(&to)))
        .filter(blocks::removed_at.is_null()).load(conn))?)
}

/// Lists which users have which others as contacts.
fn list_contacts_within(db: &mut Db, from: &[UserId], to: &[UserId]) -> Result<Vec<(UserId, UserId)>> {
    let (from, to) = (id_list(from)?, id_list(to)?);
    Ok(on!(db, conn => contacts::table.select((contacts::user_id, contacts::contact_id))
        .filter(contacts::user_id.among(&from).and(contacts::contact_id.among(&to)))
        .filter(contacts::removed_at.is_null()).load(conn))?)
}

/// Lists which users wrote to which others directly.
fn list_writers_within(db: &mut Db, low: &[UserId], high: &[UserId]) -> Result<Vec<(UserId, UserId)>> {
    let (low, high) = (id_list(low)?, id_list(high)?);
    let found: Vec<(Option<UserId>, Option<UserId>, UserId)> = on!(db, conn => conversations::table
        .inner_join(participants::table)
        .select((conversations::user_low, conversations::user_high, participants::user_id))
        .filter(conversations::user_low.among(&low).and(conversations::user_high.among(&high)))
        .filter(participants::has_written).load(conn))?;
    let direction = |(low, high, author): (Option<UserId>, Option<UserId>, UserId)| {
        let reader = if low == Some(author) { high } else { low };
        Some((author, reader?))
    };
    Ok(found.into_iter().filter_map(direction).collect())
}

/// The time when each of these users was last seen.
pub fn list_last_seen(db: &mut Db, people: &[UserId]) -> Result<HashMap<UserId, Option<Timestamp>>> {
    let people = id_list(people)?;
    let found: Vec<(UserId, Option<Timestamp>)> = on!(db, conn => users::table
        .select((users::id, users::last_seen_at)).filter(users::id.among(&people)).load(conn))?;
    Ok(found.into_iter().collect())
}
