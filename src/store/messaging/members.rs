//! Group members: joining, leaving and roles.
//!
//! Each change of the members takes the conversation's next `rev`. The caller locks the
//! conversation before it decides on a change, so that no other node changes the rows that it read.

use crate::error::{Error, Result};
use crate::ids::{ConversationId, Rev, Role, Seq, Timestamp, UserId};
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::schema::{conversations, declined_adders, participants, users};
use crate::store::{Db, on};
use diesel::dsl::{case_when, count_star, exists, not};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

/// Rows that one statement names or inserts: SQLite binds at most 32,766 values.
pub const CHUNK: usize = 1_000;

/// Creates a group with rev 1. Its creator owns it.
pub fn insert_group(
    db: &mut Db,
    maker: UserId,
    title: Option<&str>,
    client_id: Option<&str>,
    now: Timestamp,
) -> Result<ConversationId> {
    let row = (
        conversations::kind.eq("group"),
        conversations::title.eq(title),
        conversations::client_id.eq(client_id),
        conversations::created_by.eq(maker),
        conversations::created_at.eq(now),
        conversations::active_at.eq(now),
        conversations::rev.eq(1),
    );
    Ok(on!(db, conn => diesel::insert_into(conversations::table).values(row)
        .returning(conversations::id).get_result(conn))?)
}

/// Finds the group or direct conversation that `maker` created under this client id.
pub fn find_by_client_id(db: &mut Db, maker: UserId, client_id: &str) -> Result<Option<ConversationId>> {
    Ok(on!(db, conn => conversations::table.select(conversations::id)
        .filter(conversations::created_by.eq(maker).and(conversations::client_id.eq(client_id)))
        .first(conn).optional())?)
}

/// The number of these users who are or were in the conversation.
pub fn count_ever(db: &mut Db, id: ConversationId, people: &[UserId]) -> Result<i64> {
    let mut count = 0;
    for people in people.chunks(CHUNK) {
        let people = id_list(people)?;
        count += on!(db, conn => participants::table.select(count_star())
            .filter(participants::conversation_id.eq(id).and(participants::user_id.among(&people)))
            .first::<i64>(conn))?;
    }
    Ok(count)
}

/// Adds users to a new group: its creator, and the users whom the creator adds.
pub fn insert_members(
    db: &mut Db,
    id: ConversationId,
    maker: UserId,
    members: &[(UserId, Role)],
    now: Timestamp,
) -> Result<()> {
    let people: Vec<UserId> = members.iter().map(|(user_id, _)| *user_id).collect();
    count_in(db, id, &people, 1)?;
    // A select of the users makes the rows, so a statement with few values is prepared once.
    let mut inserted = 0;
    for role in [Role::Owner, Role::Admin, Role::Member] {
        let people: Vec<UserId> = members.iter().filter(|(_, own)| *own == role).map(|(id, _)| *id).collect();
        for people in people.chunks(CHUNK) {
            let people = id_list(people)?;
            let added_by = case_when(users::id.ne(maker), maker.get().into_sql::<BigInt>());
            let rows = users::table.filter(users::id.among(&people)).select((
                id.get().into_sql::<BigInt>(),
                users::id,
                role.name().into_sql::<Text>().nullable(),
                now.as_millis().into_sql::<BigInt>(),
                1_i64.into_sql::<BigInt>(),
                added_by,
            ));
            let columns = (
                participants::conversation_id,
                participants::user_id,
                participants::role,
                participants::joined_at,
                participants::rev,
                participants::added_by,
            );
            inserted +=
                on!(&mut *db, conn => rows.insert_into(participants::table).into_columns(columns).execute(conn))?;
        }
    }
    if inserted != members.len() {
        return Err(Error::bug("the members of a new group are users"));
    }
    Ok(())
}

/// Adds `each` to the member count for each of these users. It is -1 for users who leave.
fn count_in(db: &mut Db, id: ConversationId, people: &[UserId], each: i64) -> Result<()> {
    let members = each * people.len() as i64;
    on!(&mut *db, conn => diesel::update(conversations::table.find(id))
        .set(conversations::member_count.eq(conversations::member_count + members)).execute(conn))?;
    for people in people.chunks(CHUNK) {
        let people = id_list(people)?;
        on!(&mut *db, conn => diesel::update(users::table.filter(users::id.among(&people)))
            .set(users::group_count.eq(users::group_count + each)).execute(conn))?;
    }
    Ok(())
}

/// Adds a user who is not in the group, or who left it, under the `rev` taken for it. The user sees
/// messages after `last_seq`, and everything before counts as read.
pub fn set_joined(
    db: &mut Db,
    id: ConversationId,
    (adder, user_id): (UserId, UserId),
    last_seq: Seq,
    rev: Rev,
    now: Timestamp,
) -> Result<()> {
    let membership = (
        participants::added_by.eq(adder),
        participants::role.eq(Role::Member.name()),
        participants::joined_at.eq(now),
        participants::visible_from_seq.eq(Seq::new(last_seq.get() + 1)),
        participants::cleared_seq.eq(0),
        participants::delivered_seq.eq(last_seq),
        participants::read_seq.eq(last_seq),
        participants::own_delivered_seq.eq(last_seq),
        participants::own_read_seq.eq(last_seq),
        participants::rev.eq(rev),
    );
    count_in(db, id, &[user_id], 1)?;
    let row = (participants::conversation_id.eq(id), participants::user_id.eq(user_id), membership);
    on!(db, conn => diesel::insert_into(participants::table).values(row)
        .on_conflict((participants::conversation_id, participants::user_id)).do_update().set(membership).execute(conn))?;
    Ok(())
}

/// Gives a member another role under the `rev` taken for it.
pub fn set_role(db: &mut Db, id: ConversationId, user_id: UserId, role: Role, rev: Rev) -> Result<()> {
    let changes = (participants::role.eq(role.name()), participants::rev.eq(rev));
    on!(db, conn => diesel::update(participants::table.find((id, user_id))).set(changes).execute(conn))?;
    Ok(())
}

/// Removes a member under the `rev` taken for it.
pub fn remove(db: &mut Db, id: ConversationId, user_id: UserId, rev: Rev) -> Result<()> {
    count_in(db, id, &[user_id], -1)?;
    let changes = (participants::role.eq(None::<String>), participants::rev.eq(rev));
    on!(db, conn => diesel::update(participants::table.find((id, user_id))).set(changes).execute(conn))?;
    Ok(())
}

/// Records that a member leaves voluntarily. The user who added them cannot add them to any group
/// again while the two are strangers.
pub fn decline_adder(db: &mut Db, id: ConversationId, user_id: UserId, now: Timestamp) -> Result<()> {
    let adder: Option<UserId> = on!(&mut *db, conn => participants::table.find((id, user_id))
        .select(participants::added_by).first(conn))?;
    let Some(adder) = adder else { return Ok(()) };
    let row = (
        declined_adders::user_id.eq(user_id),
        declined_adders::adder_id.eq(adder),
        declined_adders::declined_at.eq(now),
    );
    on!(db, conn => diesel::insert_into(declined_adders::table).values(row)
        .on_conflict((declined_adders::user_id, declined_adders::adder_id)).do_update()
        .set(declined_adders::declined_at.eq(now)).execute(conn))?;
    Ok(())
}

/// Finds the user's role. Returns `None` if the user is not in the group or left it.
pub fn find_role(db: &mut Db, id: ConversationId, user_id: UserId) -> Result<Option<Role>> {
    let name: Option<Option<String>> = on!(db, conn => participants::table.find((id, user_id))
        .select(participants::role).first(conn).optional())?;
    Ok(name.flatten().as_deref().and_then(Role::named))
}

/// Whether the group has an active owner, not counting `but`. A disabled account manages nothing,
/// so it does not count as an owner.
pub fn has_owner(db: &mut Db, id: ConversationId, but: Option<UserId>) -> Result<bool> {
    let but = but.map_or(0, UserId::get);
    let owners = participants::table
        .inner_join(users::table)
        .filter(participants::conversation_id.eq(id).and(participants::role.eq(Role::Owner.name())))
        .filter(participants::user_id.ne(but).and(users::disabled_at.is_null()));
    Ok(on!(db, conn => diesel::select(exists(owners)).get_result(conn))?)
}

/// Finds the next owner when the last one leaves: the longest-standing admin, else the
/// longest-standing member. `None` without an active account. Never returns `but`.
pub fn find_successor(db: &mut Db, id: ConversationId, but: Option<UserId>) -> Result<Option<UserId>> {
    let but = but.map_or(0, UserId::get);
    let of_role = |db: &mut Db, role: Role| -> Result<Option<UserId>> {
        Ok(on!(db, conn => participants::table.inner_join(users::table).select(participants::user_id)
            .filter(participants::conversation_id.eq(id).and(participants::role.eq(role.name())))
            .filter(participants::user_id.ne(but).and(users::disabled_at.is_null()))
            .order((participants::joined_at, participants::user_id)).first(conn).optional())?)
    };
    match of_role(db, Role::Admin)? {
        Some(successor) => Ok(Some(successor)),
        None => of_role(db, Role::Member),
    }
}

/// Lists the user's groups that have an active member but no active owner, by id, at most `limit`.
pub fn list_ownerless(db: &mut Db, user_id: UserId, limit: i64) -> Result<Vec<ConversationId>> {
    let member = diesel::alias!(participants as member);
    let active = || {
        member
            .inner_join(users::table.on(users::id.eq(member.field(participants::user_id))))
            .filter(member.field(participants::conversation_id).eq(participants::conversation_id))
            .filter(users::disabled_at.is_null())
    };
    let owners = active().filter(member.field(participants::role).eq(Role::Owner.name()));
    let members = active().filter(member.field(participants::role).is_not_null());
    Ok(on!(db, conn => participants::table.inner_join(conversations::table).select(conversations::id)
        .filter(participants::user_id.eq(user_id).and(participants::role.is_not_null()))
        .filter(conversations::kind.eq("group").and(not(exists(owners))).and(exists(members)))
        .order(conversations::id).limit(limit).load(conn))?)
}

/// Lists the groups that a user is in, by id, at most `limit`.
pub fn list_groups(db: &mut Db, user_id: UserId, limit: i64) -> Result<Vec<ConversationId>> {
    Ok(on!(db, conn => participants::table.inner_join(conversations::table).select(conversations::id)
        .filter(participants::user_id.eq(user_id).and(participants::role.is_not_null()))
        .filter(conversations::kind.eq("group")).order(conversations::id).limit(limit).load(conn))?)
}

/// Lists the user's direct conversations that the other user knows of, by id.
pub fn list_direct(db: &mut Db, user_id: UserId) -> Result<Vec<ConversationId>> {
    Ok(on!(db, conn => participants::table.inner_join(conversations::table).select(conversations::id)
        .filter(participants::user_id.eq(user_id).and(conversations::kind.eq("direct")))
        .filter(conversations::rev.gt(1).or(conversations::created_by.ne(user_id)))
        .order(conversations::id).load(conn))?)
}

pub fn set_title(db: &mut Db, id: ConversationId, title: &str) -> Result<()> {
    on!(db, conn => diesel::update(conversations::table.find(id))
        .set(conversations::title.eq(title)).execute(conn))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::store::accounts::users::{NewUser, insert_user};
    use crate::store::messaging::conversations::{get_conversation, get_own_state};
    use crate::store::messaging::participants::{Participant, get_participant, list_member_ids, list_page};
    use crate::store::messaging::positions::{get_positions, next_rev};
    use crate::store::prepare;
    use crate::store::scratch::{Scratch, both_databases};

    const NOW: Timestamp = Timestamp::from_millis(0);

    /// Creates a group of three: an owner, an admin and a member.
    fn group(db: &mut Db) -> (ConversationId, [UserId; 3]) {
        prepare(db, NOW).unwrap();
        let people = ["ann", "bob", "cat"].map(|name| insert_user(db, &NewUser::named(name)).unwrap().id);
        let id = insert_group(db, people[0], Some("Lunch"), Some("key"), NOW).unwrap();
        let roles = [Role::Owner, Role::Admin, Role::Member];
        let members: Vec<_> = people.into_iter().zip(roles).collect();
        insert_members(db, id, people[0], &members, NOW).unwrap();
        (id, people)
    }

    fn group_count(db: &mut Db, id: UserId) -> i64 {
        on!(db, conn => users::table.select(users::group_count).find(id).first(conn)).unwrap()
    }

    fn a_group_client_id_is_unique_per_creator(scratch: Scratch) {
        let mut db = scratch.open();
        let (id, [ann, bob, _]) = group(&mut db);
        assert_eq!(find_by_client_id(&mut db, ann, "key").unwrap(), Some(id));
        assert_eq!(find_by_client_id(&mut db, bob, "key").unwrap(), None);
        assert_eq!(find_by_client_id(&mut db, ann, "other").unwrap(), None);
        assert!(matches!(insert_group(&mut db, ann, None, Some("key"), NOW), Err(Error::Conflict(_))));
        insert_group(&mut db, bob, None, Some("key"), NOW).unwrap();
        insert_group(&mut db, ann, None, None, NOW).unwrap();
        insert_group(&mut db, ann, None, None, NOW).unwrap();
    }
    both_databases!(a_group_client_id_is_unique_per_creator);

    fn a_former_member_is_not_counted_but_still_known(scratch: Scratch) {
        let mut db = scratch.open();
        let (id, [ann, bob, cat]) = group(&mut db);
        let rev = next_rev(&mut db, id).unwrap();
        remove(&mut db, id, bob, rev).unwrap();
        let roles = [ann, bob, cat].map(|one| find_role(&mut db, id, one).unwrap());
        assert_eq!(roles, [Some(Role::Owner), None, Some(Role::Member)]);
        assert_eq!(get_conversation(&mut db, id).unwrap().member_count, 2);
        assert_eq!([ann, bob, cat].map(|one| group_count(&mut db, one)), [1, 0, 1]);
        assert_eq!(list_member_ids(&mut db, id).unwrap(), [ann, cat]);
        assert!(has_owner(&mut db, id, Some(cat)).unwrap() && !has_owner(&mut db, id, Some(ann)).unwrap());
        assert_eq!(count_ever(&mut db, id, &[ann, bob, UserId::new(99)]).unwrap(), 2);
        let row = get_participant(&mut db, id, bob).unwrap();
        assert_eq!((row.role, row.rev), (None, rev));
        let ids = |page: Vec<Participant>| page.iter().map(|row| row.user_id).collect::<Vec<_>>();
        assert_eq!(ids(list_page(&mut db, id, 0, 10).unwrap()), [ann, cat]);
        assert_eq!(ids(list_page(&mut db, id, ann.get(), 1).unwrap()), [cat]);
    }
    both_databases!(a_former_member_is_not_counted_but_still_known);

    fn a_returning_member_starts_at_the_current_position(scratch: Scratch) {
        let mut db = scratch.open();
        let (id, [ann, bob, _]) = group(&mut db);
        let rev = next_rev(&mut db, id).unwrap();
        remove(&mut db, id, bob, rev).unwrap();
        let rev = next_rev(&mut db, id).unwrap();
        let last = Seq::new(7);
        set_joined(&mut db, id, (ann, bob), last, rev, NOW).unwrap();
        assert_eq!(find_role(&mut db, id, bob).unwrap(), Some(Role::Member), "Bob does not get his earlier role back");
        let own_state = get_own_state(&mut db, id, bob).unwrap();
        assert_eq!(
            (own_state.visible_from_seq, own_state.cleared_seq, own_state.own_read_seq),
            (Seq::new(8), Seq::ZERO, last)
        );
        let at = get_positions(&mut db, id, bob).unwrap();
        assert_eq!([at.delivered_seq, at.read_seq, at.own_delivered_seq, at.own_read_seq], [last; 4]);
        assert_eq!(get_participant(&mut db, id, bob).unwrap().rev, rev);
        assert_eq!((get_conversation(&mut db, id).unwrap().member_count, group_count(&mut db, bob)), (3, 1));
    }
    both_databases!(a_returning_member_starts_at_the_current_position);
}
