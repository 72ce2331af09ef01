//! Conversations, and the state of one user in them.
//!
//! A conversation assigns `seq` and `rev` inside the transaction that makes the change, by updating
//! its row. The row's lock makes the numbers come in commit order.

use super::statements::{AdvanceReturning, AdvanceStatement, ByConversation, ByRecipient, NumbersOf};
use crate::error::{Error, Result};
use crate::ids::{ConversationId, Rev, Seq, Timestamp, UserId};
use crate::store::accounts::people::Relation;
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::schema::{conversations, participants, users};
use crate::store::{Db, on};
use diesel::prelude::*;

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = conversations)]
pub struct Conversation {
    pub id: ConversationId,
    pub kind: String,
    pub title: Option<String>,
    pub platform: String,
    pub user_low: Option<UserId>,
    pub user_high: Option<UserId>,
    pub created_at: Timestamp,
    pub active_at: Timestamp,
    pub last_seq: Seq,
    pub rev: Rev,
    /// The number of current members.
    pub member_count: i64,
}

impl Conversation {
    /// The other user of a direct conversation.
    pub fn peer_of(&self, me: UserId) -> Option<UserId> {
        other_of(self.user_low, self.user_high, me)
    }
}

/// `None` in a group, which has no pair.
fn other_of(low: Option<UserId>, high: Option<UserId>, me: UserId) -> Option<UserId> {
    if low == Some(me) { high } else { low }
}

/// The facts that decide whether a user may act in a conversation, and which users hear of it.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Membership {
    pub conversation_id: ConversationId,
    /// The two users of a direct conversation. `None` in a group.
    pub user_low: Option<UserId>,
    pub user_high: Option<UserId>,
    pub has_written: bool,
}

impl Membership {
    /// The other user of a direct conversation.
    pub fn peer_of(&self, me: UserId) -> Option<UserId> {
        other_of(self.user_low, self.user_high, me)
    }
}

/// A user's private state in a conversation.
#[derive(Clone, Copy, Debug, Queryable, Selectable)]
#[diesel(table_name = participants)]
pub struct OwnState {
    pub visible_from_seq: Seq,
    pub cleared_seq: Seq,
    pub own_read_seq: Seq,
}

impl OwnState {
    /// The first message that the user may see: sent after the user joined, and not cleared.
    pub fn first_visible(&self) -> Seq {
        Seq::new(self.visible_from_seq.get().max(self.cleared_seq.get() + 1))
    }

    /// The first message after the participant's own position.
    pub fn first_unread(&self) -> Seq {
        Seq::new(self.own_read_seq.get() + 1)
    }
}

/// The numbers that a new message gets, and the platform of its conversation.
#[derive(Clone, Debug, Queryable)]
pub struct Advance {
    pub seq: Seq,
    pub rev: Rev,
    pub created_at: Timestamp,
    pub platform: String,
}

type MembershipColumns =
    (conversations::id, conversations::user_low, conversations::user_high, participants::has_written);

const MEMBERSHIP: MembershipColumns =
    (conversations::id, conversations::user_low, conversations::user_high, participants::has_written);

/// The same answer for a conversation that does not exist and for one that is not the caller's.
pub const NO_SUCH_CONVERSATION: &str = "no such conversation";

/// The pair of a direct conversation, in the order that the table uses.
fn ordered(one: UserId, other: UserId) -> (UserId, UserId) {
    (one.min(other), one.max(other))
}

/// An empty direct conversation exists only for its creator until the other user opens it too.
/// Nothing else takes a rev in it.
#[diesel::dsl::auto_type]
pub(crate) fn exists_for(me: i64) -> _ {
    let is_opened_by_both = conversations::rev.gt(1i64);
    conversations::kind.eq("group").or(is_opened_by_both).or(conversations::created_by.eq(me))
}

/// Lists the conversations among `ids` that the user is in, with the user's state in each.
pub fn list_with_own_state(db: &mut Db, me: UserId, ids: &[ConversationId]) -> Result<Vec<(Conversation, OwnState)>> {
    let ids = id_list(ids)?;
    Ok(on!(db, conn => participants::table.inner_join(conversations::table)
        .select((Conversation::as_select(), OwnState::as_select()))
        .filter(participants::conversation_id.among(&ids).and(participants::user_id.eq(me)))
        .filter(participants::role.is_not_null().and(exists_for(me.get())))
        .load(conn))?)
}

/// Returns a conversation with the state of `me` in it. Fails with `NotFound` when the conversation
/// does not exist and when `me` is not in it. Both cases take one query and get one answer.
pub fn get_with_own_state(db: &mut Db, me: UserId, id: ConversationId) -> Result<(Conversation, OwnState)> {
    list_with_own_state(db, me, &[id])?.pop().ok_or(Error::NotFound(NO_SUCH_CONVERSATION))
}

pub fn find_direct(db: &mut Db, me: UserId, other: UserId) -> Result<Option<Membership>> {
    let (low, high) = ordered(me, other);
    Ok(on!(db, conn => conversations::table.inner_join(participants::table).select(MEMBERSHIP)
        .filter(conversations::user_low.eq(low).and(conversations::user_high.eq(high)))
        .filter(participants::user_id.eq(me))
        .first(conn).optional())?)
}

/// The facts that decide whether a user may write to a destination, from one query.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct SendingFacts {
    /// `None` if there is no conversation with this user yet.
    conversation_id: Option<ConversationId>,
    user_low: Option<UserId>,
    user_high: Option<UserId>,
    has_written: Option<bool>,
    rev: Option<Rev>,
    /// The other user of a direct conversation. `None` in a group.
    pub peer: Option<UserId>,
    pub relation: Relation,
}

impl SendingFacts {
    /// False for a direct conversation that only one of the two users has opened.
    pub fn is_known_to_both(&self) -> bool {
        self.peer.is_none() || self.rev > Some(Rev::new(1))
    }

    pub fn membership(&self) -> Option<Membership> {
        let (user_low, user_high) = (self.user_low, self.user_high);
        let has_written = self.has_written.unwrap_or(false);
        self.conversation_id.map(|conversation_id| Membership { conversation_id, user_low, user_high, has_written })
    }
}

/// Finds the facts between the caller and a user. `None` when there is no such user.
pub fn find_facts_by_recipient(db: &mut Db, me: UserId, recipient: UserId) -> Result<Option<SendingFacts>> {
    let (low, high) = ordered(me, recipient);
    Ok(on!(db, conn => ByRecipient { me, recipient, low, high }.get_result(conn).optional())?)
}

/// Finds the facts between the caller and a conversation. `None` when it does not exist or the
/// caller is not in it.
pub fn find_facts_by_conversation(db: &mut Db, me: UserId, id: ConversationId) -> Result<Option<SendingFacts>> {
    Ok(on!(db, conn => ByConversation { me, id }.get_result(conn).optional())?)
}

/// Creates the direct conversation of two users, with rev 1. The flag is false when another caller
/// created it in the meantime.
pub fn insert_direct(db: &mut Db, me: UserId, other: UserId, now: Timestamp) -> Result<(Membership, bool)> {
    let (low, high) = ordered(me, other);
    let row = (
        conversations::kind.eq("direct"),
        conversations::user_low.eq(low),
        conversations::user_high.eq(high),
        conversations::created_by.eq(me),
        conversations::created_at.eq(now),
        conversations::active_at.eq(now),
        conversations::rev.eq(1),
        conversations::member_count.eq(2),
    );
    // If two nodes create it at once, the unique pair makes the second node wait for the first. The
    // second node then finds the row.
    let made: Option<ConversationId> = on!(db, conn => diesel::insert_into(conversations::table).values(row)
        .on_conflict((conversations::user_low, conversations::user_high)).do_nothing()
        .returning(conversations::id).get_result(conn).optional())?;
    let Some(conversation_id) = made else {
        let found = find_direct(db, me, other)?;
        return found
            .map(|membership| (membership, false))
            .ok_or_else(|| Error::Contention("a direct pair raced".into()));
    };
    for user_id in [low, high] {
        let row = (
            participants::conversation_id.eq(conversation_id),
            participants::user_id.eq(user_id),
            participants::role.eq("member"),
            participants::joined_at.eq(now),
            participants::rev.eq(1),
        );
        on!(db, conn => diesel::insert_into(participants::table).values(row).execute(conn))?;
    }
    Ok((Membership { conversation_id, user_low: Some(low), user_high: Some(high), has_written: false }, true))
}

/// Takes the next `seq` and `rev`. The time of a conversation does not go back when the clock does.
/// It is never more than [`Timestamp::with_skew`] ahead of the clock. After a wrong clock, times
/// may repeat or go back, and only `seq` gives the order.
pub fn advance(db: &mut Db, id: ConversationId, now: Timestamp) -> Result<Advance> {
    let latest = now.with_skew();
    match db {
        Db::Sqlite(conn) => {
            AdvanceStatement { id, now, latest }.execute(conn)?;
            Ok(NumbersOf { id }.get_result(conn)?)
        }
        Db::Postgres(conn) => Ok(AdvanceReturning { id, now, latest }.get_result(conn)?),
    }
}

pub fn set_has_written(db: &mut Db, id: ConversationId, user_id: UserId) -> Result<()> {
    on!(db, conn => diesel::update(participants::table
            .filter(participants::conversation_id.eq(id).and(participants::user_id.eq(user_id))))
        .set(participants::has_written.eq(true)).execute(conn))?;
    Ok(())
}

/// Whether `author` ever wrote in the direct conversation with `reader`.
pub fn has_written_to(db: &mut Db, author: UserId, reader: UserId) -> Result<bool> {
    Ok(find_direct(db, author, reader)?.is_some_and(|membership| membership.has_written))
}

/// Makes every other node wait before it changes the conversation, until this transaction ends. So
/// rows that are read after this do not change.
pub fn lock(db: &mut Db, id: ConversationId) -> Result<()> {
    match db {
        // The writer thread is the only writer.
        Db::Sqlite(_) => {}
        Db::Postgres(conn) => {
            let row = conversations::table.select(conversations::id).filter(conversations::id.eq(id));
            row.for_update().first::<ConversationId>(conn).optional()?;
        }
    }
    Ok(())
}

/// Makes messages between two users wait at every other node until this transaction ends. It locks
/// their direct conversation. A first message has no conversation yet: it waits for the user row,
/// which every private change updates.
pub fn lock_between(db: &mut Db, me: UserId, other: UserId) -> Result<()> {
    match db {
        // The writer thread is the only writer.
        Db::Sqlite(_) => {}
        Db::Postgres(conn) => {
            let (low, high) = ordered(me, other);
            let row = conversations::table.select(conversations::id);
            let row = row.filter(conversations::user_low.eq(low).and(conversations::user_high.eq(high)));
            row.for_update().first::<ConversationId>(conn).optional()?;
        }
    }
    Ok(())
}

/// Makes private changes of either user at another node, such as a block, wait until this
/// transaction ends.
pub fn lock_people(db: &mut Db, one: UserId, other: UserId) -> Result<()> {
    match db {
        // The writer thread is the only writer.
        Db::Sqlite(_) => {}
        Db::Postgres(conn) => {
            let rows =
                users::table.select(users::id).filter(users::id.eq(one).or(users::id.eq(other))).order(users::id);
            rows.for_share().load::<UserId>(conn)?;
        }
    }
    Ok(())
}

pub fn get_conversation(db: &mut Db, id: ConversationId) -> Result<Conversation> {
    Ok(
        on!(db, conn => conversations::table.select(Conversation::as_select()).filter(conversations::id.eq(id)).first(conn))?,
    )
}

/// Lists the conversations by id.
pub fn list_by_ids(db: &mut Db, ids: &[ConversationId]) -> Result<Vec<Conversation>> {
    let ids = id_list(ids)?;
    Ok(on!(db, conn => conversations::table.select(Conversation::as_select())
        .filter(conversations::id.among(&ids)).order(conversations::id).load(conn))?)
}

/// Finds the user's state. Returns `None` if the user is not in the conversation or left it.
pub fn find_own_state(db: &mut Db, id: ConversationId, me: UserId) -> Result<Option<OwnState>> {
    Ok(on!(db, conn => participants::table.select(OwnState::as_select())
        .filter(participants::conversation_id.eq(id).and(participants::user_id.eq(me)))
        .filter(participants::role.is_not_null())
        .first(conn).optional())?)
}

pub fn get_own_state(db: &mut Db, id: ConversationId, me: UserId) -> Result<OwnState> {
    Ok(on!(db, conn => participants::table.select(OwnState::as_select())
        .filter(participants::conversation_id.eq(id).and(participants::user_id.eq(me))).first(conn))?)
}

/// The start of a page of the list: after this conversation.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    pub active_at: Timestamp,
    pub id: ConversationId,
}

/// The user's visible conversations. Only its creator sees an empty direct conversation. A cleared
/// conversation is visible again when a new message came.
#[diesel::dsl::auto_type]
pub(crate) fn shown_to(me: i64) -> _ {
    let has_news = conversations::last_seq.gt(participants::cleared_seq);
    let is_there: exists_for = exists_for(me);
    has_news.or(participants::cleared_seq.eq(0i64).and(is_there))
}

/// Finds the direct conversation of two users with the state of `me`, if it is visible to `me`.
pub fn find_visible_direct(db: &mut Db, me: UserId, other: UserId) -> Result<Option<(Conversation, OwnState)>> {
    let (low, high) = ordered(me, other);
    Ok(on!(db, conn => participants::table.inner_join(conversations::table)
        .select((Conversation::as_select(), OwnState::as_select()))
        .filter(conversations::user_low.eq(low).and(conversations::user_high.eq(high)))
        .filter(participants::user_id.eq(me))
        .filter(shown_to(me.get()))
        .first(conn).optional())?)
}

/// Lists the conversations of `me`, latest activity first, with the state of `me` in each.
pub fn list_conversations(
    db: &mut Db,
    me: UserId,
    before: Option<Cursor>,
    limit: i64,
) -> Result<Vec<(Conversation, OwnState)>> {
    let before =
        before.unwrap_or(Cursor { active_at: Timestamp::from_millis(i64::MAX), id: ConversationId::new(i64::MAX) });
    Ok(on!(db, conn => participants::table.inner_join(conversations::table)
        .select((Conversation::as_select(), OwnState::as_select()))
        .filter(participants::user_id.eq(me).and(participants::role.is_not_null()))
        .filter(shown_to(me.get()))
        .filter(conversations::active_at.lt(before.active_at)
            .or(conversations::active_at.eq(before.active_at).and(conversations::id.lt(before.id))))
        .order((conversations::active_at.desc(), conversations::id.desc()))
        .limit(limit).load(conn))?)
}
