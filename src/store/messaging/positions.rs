//! The positions of each participant, delivered and read, shared and own, and their times.
//!
//! Positions move forward only. A shared position takes the conversation's next `rev`, and leaves a
//! mark with the time. An own position, which only that user sees, takes that user's next `me`.

use crate::error::{Error, Result};
use crate::ids::{ConversationId, MessageId, Rev, Seq, Timestamp, UserId};
use crate::store::accounts::users;
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::schema::{conversations, messages, participants, receipt_marks, receipt_times};
use crate::store::{Db, on};
use diesel::backend::Backend;
use diesel::dsl::{case_when, exists, max, not};
use diesel::expression::ValidGrouping;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable};

/// The kind of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Delivered,
    Read,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Delivered => "delivered",
            Kind::Read => "read",
        }
    }
}

/// The positions of one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = participants)]
pub struct Positions {
    pub delivered_seq: Seq,
    pub read_seq: Seq,
    pub own_delivered_seq: Seq,
    pub own_read_seq: Seq,
}

impl Positions {
    /// Moves the positions up to `seq`. A message that was read counts as delivered. Shared
    /// positions move only where they are shared.
    #[must_use]
    pub fn moved(self, kind: Kind, seq: Seq, is_shared: bool) -> Self {
        let up = |from: Seq, moves: bool| if moves { from.max(seq) } else { from };
        let reads = kind == Kind::Read;
        Self {
            delivered_seq: up(self.delivered_seq, is_shared),
            read_seq: up(self.read_seq, is_shared && reads),
            own_delivered_seq: up(self.own_delivered_seq, true),
            own_read_seq: up(self.own_read_seq, reads),
        }
    }
}

pub fn get_positions(db: &mut Db, id: ConversationId, user_id: UserId) -> Result<Positions> {
    Ok(on!(db, conn => participants::table.select(Positions::as_select())
        .filter(participants::conversation_id.eq(id).and(participants::user_id.eq(user_id))).first(conn))?)
}

/// Takes the conversation's next `rev` for a change that is not a message.
pub fn next_rev(db: &mut Db, id: ConversationId) -> Result<Rev> {
    Ok(on!(db, conn => diesel::update(conversations::table.filter(conversations::id.eq(id)))
        .set(conversations::rev.eq(conversations::rev + 1)).returning(conversations::rev).get_result(conn))?)
}

/// Takes the next `rev` of each of these conversations, for state of one participant that everybody
/// sees.
pub fn set_changed(db: &mut Db, ids: &[ConversationId], user_id: UserId) -> Result<()> {
    let ids = id_list(ids)?;
    on!(&mut *db, conn => diesel::update(conversations::table.filter(conversations::id.among(&ids)))
        .set(conversations::rev.eq(conversations::rev + 1)).execute(conn))?;
    let taken = conversations::table
        .select(conversations::rev)
        .filter(conversations::id.eq(participants::conversation_id))
        .single_value()
        .assume_not_null();
    on!(db, conn => diesel::update(participants::table
            .filter(participants::conversation_id.among(&ids).and(participants::user_id.eq(user_id))))
        .set(participants::rev.eq(taken)).execute(conn))?;
    Ok(())
}

/// Writes positions that everybody sees, and when they moved, under the `rev` taken for them.
///
/// # Errors
/// `Contention` when another node moved them since they were read.
pub fn set_shared(
    db: &mut Db,
    id: ConversationId,
    user_id: UserId,
    (before, after): (Positions, Positions),
    rev: Rev,
    at: Timestamp,
) -> Result<()> {
    let changes = (
        participants::delivered_seq.eq(after.delivered_seq),
        participants::read_seq.eq(after.read_seq),
        participants::own_delivered_seq.eq(after.own_delivered_seq),
        participants::own_read_seq.eq(after.own_read_seq),
        participants::rev.eq(rev),
    );
    must_be_one(on!(db, conn => diesel::update(still_at(id, user_id, before)).set(changes).execute(conn))?)?;
    for (kind, from, to) in
        [(Kind::Delivered, before.delivered_seq, after.delivered_seq), (Kind::Read, before.read_seq, after.read_seq)]
    {
        if to > from {
            let mark = (
                receipt_marks::conversation_id.eq(id),
                receipt_marks::user_id.eq(user_id),
                receipt_marks::kind.eq(kind.name()),
                receipt_marks::seq.eq(to),
                receipt_marks::at.eq(at),
            );
            on!(db, conn => diesel::insert_into(receipt_marks::table).values(mark).execute(conn))?;
        }
    }
    Ok(())
}

/// Writes the user's own position before it is shared. The other members, and the user's other
/// devices, are notified later.
///
/// # Errors
/// `Contention` when another node moved them since they were read.
pub fn set_own_ahead(
    db: &mut Db,
    id: ConversationId,
    user_id: UserId,
    (before, after): (Positions, Positions),
) -> Result<()> {
    let changes = (
        participants::own_delivered_seq.eq(after.own_delivered_seq),
        participants::own_read_seq.eq(after.own_read_seq),
    );
    must_be_one(on!(db, conn => diesel::update(still_at(id, user_id, before)).set(changes).execute(conn))?)
}

/// Writes positions that only the user sees. Returns their private rev.
///
/// # Errors
/// `Contention` when another node moved them since they were read.
pub fn set_own(
    db: &mut Db,
    id: ConversationId,
    user_id: UserId,
    (before, after): (Positions, Positions),
) -> Result<i64> {
    let private_rev = users::next_private_rev(db, user_id)?;
    let changes = (
        participants::own_delivered_seq.eq(after.own_delivered_seq),
        participants::own_read_seq.eq(after.own_read_seq),
        participants::me.eq(private_rev),
    );
    must_be_one(on!(db, conn => diesel::update(still_at(id, user_id, before)).set(changes).execute(conn))?)?;
    Ok(private_rev)
}

/// Clears everything up to `seq` for one user, which also marks it as read. Returns their
/// private rev.
///
/// # Errors
/// `Contention` when another node moved them beyond it since it was read.
pub fn set_cleared(db: &mut Db, id: ConversationId, user_id: UserId, seq: Seq) -> Result<i64> {
    let private_rev = users::next_private_rev(db, user_id)?;
    let row = participants::conversation_id.eq(id).and(participants::user_id.eq(user_id));
    let is_behind = participants::own_delivered_seq.le(seq).and(participants::cleared_seq.le(seq));
    let changes = (
        participants::cleared_seq.eq(seq),
        participants::own_delivered_seq.eq(seq),
        participants::own_read_seq.eq(seq),
        participants::me.eq(private_rev),
    );
    let rows =
        on!(db, conn => diesel::update(participants::table.filter(row.and(is_behind))).set(changes).execute(conn))?;
    must_be_one(rows)?;
    Ok(private_rev)
}

/// The participant's row, if it is unchanged since it was read. Postgres waits for a transaction
/// that is changing it, and checks again.
#[diesel::dsl::auto_type]
fn still_at(id: ConversationId, user_id: UserId, before: Positions) -> _ {
    let delivered: Seq = before.delivered_seq;
    let read: Seq = before.read_seq;
    let own_delivered: Seq = before.own_delivered_seq;
    let own_read: Seq = before.own_read_seq;
    let row = participants::conversation_id.eq(id).and(participants::user_id.eq(user_id));
    let shared = participants::delivered_seq.eq(delivered).and(participants::read_seq.eq(read));
    let own = participants::own_delivered_seq.eq(own_delivered).and(participants::own_read_seq.eq(own_read));
    participants::table.filter(row.and(shared).and(own))
}

/// Fails when another node moved the position first. The writer runs the job again from the new
/// position.
fn must_be_one(rows: usize) -> Result<()> {
    match rows {
        1 => Ok(()),
        _ => Err(Error::Contention("a position moved meanwhile".into())),
    }
}

/// The time when the user's shared position reached `seq`, if it did. It is the time of the first
/// mark that is not before `seq`.
pub fn find_mark(db: &mut Db, id: ConversationId, user_id: UserId, kind: Kind, seq: Seq) -> Result<Option<Timestamp>> {
    Ok(on!(db, conn => receipt_marks::table.select(receipt_marks::at)
        .filter(receipt_marks::conversation_id.eq(id).and(receipt_marks::user_id.eq(user_id)))
        .filter(receipt_marks::kind.eq(kind.name()).and(receipt_marks::seq.ge(seq)))
        .order(receipt_marks::seq).first(conn).optional())?)
}

/// The times when a message was delivered to a recipient and when they read it.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Receipt {
    pub user_id: UserId,
    pub delivered_at: Option<Timestamp>,
    pub read_at: Option<Timestamp>,
}

/// Lists the receipts of a message by user id, without its sender. It covers the current members
/// who were members when the message was sent.
pub fn list_receipts(db: &mut Db, id: ConversationId, seq: Seq, sender: UserId) -> Result<Vec<Receipt>> {
    let first_mark = |kind: Kind| {
        receipt_marks::table
            .select(receipt_marks::at)
            .filter(receipt_marks::conversation_id.eq(participants::conversation_id))
            .filter(receipt_marks::user_id.eq(participants::user_id))
            .filter(receipt_marks::kind.eq(kind.name()).and(receipt_marks::seq.ge(seq)))
            .order(receipt_marks::seq)
            .single_value()
    };
    Ok(on!(db, conn => participants::table
        .select((participants::user_id, first_mark(Kind::Delivered), first_mark(Kind::Read)))
        .filter(participants::conversation_id.eq(id).and(participants::role.is_not_null()))
        .filter(participants::visible_from_seq.le(seq).and(participants::user_id.ne(sender)))
        .order(participants::user_id).load(conn))?)
}

/// The delivery status of a message for all recipients.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct DeliveryStatus {
    pub message_id: MessageId,
    /// The pair of a direct conversation. `None` in a group.
    pub pair: (Option<UserId>, Option<UserId>),
    pub is_delivered: bool,
    pub is_read: bool,
    /// The time when the last of them had read it.
    pub read_at: Option<Timestamp>,
}

/// The time of a reader's first mark that is not before the message.
const READ_AT: &str = "(SELECT at FROM receipt_marks WHERE kind = 'read'
    AND receipt_marks.conversation_id = participants.conversation_id
    AND receipt_marks.user_id = participants.user_id
    AND receipt_marks.seq >= messages.seq ORDER BY receipt_marks.seq LIMIT 1)";

/// The time as an expression that Diesel prepares once.
#[derive(Debug, Clone, Copy, QueryId, ValidGrouping)]
struct ReadAt;

impl Expression for ReadAt {
    type SqlType = Nullable<BigInt>;
}

impl<Source> AppearsOnTable<Source> for ReadAt {}
impl<Source> SelectableExpression<Source> for ReadAt {}

impl<DB: Backend> QueryFragment<DB> for ReadAt {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(READ_AT);
        Ok(())
    }
}

/// Lists the delivery status of messages of any conversations. It stops at the first participant
/// who has not reached the message, and looks up times only where all have read it.
pub fn list_delivery_statuses(db: &mut Db, ids: &[MessageId]) -> Result<Vec<DeliveryStatus>> {
    let ids = id_list(ids)?;
    let others = || {
        participants::table
            .filter(participants::conversation_id.eq(messages::conversation_id))
            .filter(participants::user_id.ne(messages::sender_id).and(participants::role.is_not_null()))
            .filter(participants::visible_from_seq.le(messages::seq))
    };
    // Counts the members who were there when the message was sent. If none is left, the message is
    // unread.
    let is_delivered =
        not(exists(others().filter(participants::delivered_seq.lt(messages::seq)))).and(exists(others()));
    let is_read = not(exists(others().filter(participants::read_seq.lt(messages::seq)))).and(exists(others()));
    let read_at = others().select(max(ReadAt)).single_value();
    let kept_from = receipt_times::table.select(receipt_times::kept_from).filter(receipt_times::id.eq(1));
    let has_time = is_read.and(messages::created_at.nullable().ge(kept_from.single_value()));
    let pair = (conversations::user_low, conversations::user_high);
    let row = (messages::id, pair, is_delivered, is_read, case_when(has_time, read_at));
    Ok(on!(db, conn => messages::table
        .inner_join(conversations::table.on(conversations::id.eq(messages::conversation_id)))
        .select(row).filter(messages::id.among(&ids)).load(conn))?)
}

/// A user's own state in a conversation, as `mine` shows it.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct OwnStateChange {
    pub conversation_id: ConversationId,
    pub cleared_seq: Seq,
    pub visible_from_seq: Seq,
    pub read_seq: Seq,
    pub private_rev: i64,
}

/// Lists the user's private states that changed after this private rev, in that order, in
/// conversations that the user is still in.
pub fn list_own_state_changes(db: &mut Db, user_id: UserId, after: i64, limit: i64) -> Result<Vec<OwnStateChange>> {
    Ok(on!(db, conn => participants::table
        .select((participants::conversation_id, participants::cleared_seq, participants::visible_from_seq,
            participants::own_read_seq, participants::me))
        .filter(participants::user_id.eq(user_id).and(participants::me.gt(after.into_sql::<BigInt>())))
        .filter(participants::role.is_not_null())
        .order(participants::me).limit(limit).load(conn))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounts::users::NewUser;
    use crate::store::messaging::conversations::insert_direct;
    use crate::store::prepare;
    use crate::store::scratch::{Scratch, both_databases};

    #[test]
    fn positions_only_move_forward_and_read_implies_delivered() {
        let at = |n| if n == 0 { Seq::ZERO } else { Seq::new(n) };
        let here = Positions { delivered_seq: at(5), read_seq: at(3), own_delivered_seq: at(6), own_read_seq: at(4) };
        let read = here.moved(Kind::Read, at(8), true);
        assert_eq!(
            (read.delivered_seq, read.read_seq, read.own_delivered_seq, read.own_read_seq),
            (at(8), at(8), at(8), at(8))
        );
        let delivered = here.moved(Kind::Delivered, at(8), true);
        assert_eq!((delivered.read_seq, delivered.own_read_seq, delivered.delivered_seq), (at(3), at(4), at(8)));
        let private = here.moved(Kind::Read, at(8), false);
        assert_eq!((private.delivered_seq, private.read_seq, private.own_read_seq), (at(5), at(3), at(8)));
        assert_eq!(here.moved(Kind::Read, at(3), true), here, "back is nowhere");
    }

    fn a_position_moved_meanwhile_is_not_moved_back(scratch: Scratch) {
        let mut db = scratch.open();
        prepare(&mut db, Timestamp::from_millis(0)).unwrap();
        let [ann, bob] = ["ann", "bob"].map(|name| users::insert_user(&mut db, &NewUser::named(name)).unwrap().id);
        let (made, _) = insert_direct(&mut db, ann, bob, Timestamp::from_millis(0)).unwrap();
        let id = made.conversation_id;
        let at_start = get_positions(&mut db, id, bob).unwrap();
        let further = at_start.moved(Kind::Read, Seq::new(4), false);
        set_own(&mut db, id, bob, (at_start, further)).unwrap();
        for is_shared in [true, false] {
            let back = (at_start, at_start.moved(Kind::Read, Seq::new(2), is_shared));
            let outcome = match is_shared {
                true => set_shared(&mut db, id, bob, back, Rev::new(2), Timestamp::from_millis(0)),
                false => set_own(&mut db, id, bob, back).map(|_| ()),
            };
            assert!(matches!(outcome, Err(Error::Contention(_))), "{outcome:?}");
            assert_eq!(get_positions(&mut db, id, bob).unwrap(), further);
        }
        assert!(find_mark(&mut db, id, bob, Kind::Read, Seq::new(1)).unwrap().is_none(), "no receipt is recorded");
    }
    both_databases!(a_position_moved_meanwhile_is_not_moved_back);
}
