//! Messages. Each is stored once, and its row is never deleted.

pub use super::statements::InsertMessage as NewMessage;
use super::statements::{InsertReturning, LastInsertRowid};
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MessageId, Rev, Seq, Timestamp, UserId};
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::schema::{hidden_messages, messages, participants};
use crate::store::{Db, on};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = messages)]
pub struct Message {
    pub id: MessageId,
    pub conversation_id: ConversationId,
    pub seq: Seq,
    pub rev: Rev,
    pub sender_id: UserId,
    pub content: String,
    pub message_type: String,
    pub client_message_id: Option<String>,
    pub reply_to_id: Option<MessageId>,
    pub created_at: Timestamp,
    pub edited_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
}

/// Stores a message. Fails with `Conflict` when the sender used this `client_message_id` before.
pub fn insert_message(db: &mut Db, new: NewMessage) -> Result<Message> {
    let NewMessage { conversation_id, seq, rev, sender_id, reply_to_id, created_at, .. } = new;
    let (content, client_message_id) = (new.content.to_owned(), new.client_message_id.map(str::to_owned));
    let id = match db {
        Db::Sqlite(conn) => {
            new.execute(conn)?;
            LastInsertRowid.get_result(conn)?
        }
        Db::Postgres(conn) => InsertReturning(new).get_result(conn)?,
    };
    Ok(Message {
        id,
        conversation_id,
        seq,
        rev,
        sender_id,
        content,
        message_type: "text".to_owned(),
        client_message_id,
        reply_to_id,
        created_at,
        edited_at: None,
        deleted_at: None,
    })
}

pub fn find_message(db: &mut Db, id: MessageId) -> Result<Option<Message>> {
    Ok(
        on!(db, conn => messages::table.select(Message::as_select()).filter(messages::id.eq(id)).first(conn).optional())?,
    )
}

/// Lists the messages with these ids, in no order.
pub fn list_by_ids(db: &mut Db, ids: &[MessageId]) -> Result<Vec<Message>> {
    let ids = id_list(ids)?;
    Ok(on!(db, conn => messages::table.select(Message::as_select()).filter(messages::id.among(&ids)).load(conn))?)
}

/// Finds the id of the message with that `seq`.
pub fn find_id_at(db: &mut Db, conversation_id: ConversationId, seq: Seq) -> Result<Option<MessageId>> {
    Ok(on!(db, conn => messages::table.select(messages::id)
        .filter(messages::conversation_id.eq(conversation_id).and(messages::seq.eq(seq))).first(conn).optional())?)
}

/// Finds the message that the sender stored under this key before.
pub fn find_by_client_id(db: &mut Db, sender: UserId, client_message_id: &str) -> Result<Option<Message>> {
    let found = on!(db, conn => messages::table.select(Message::as_select())
        .filter(messages::sender_id.eq(sender).and(messages::client_message_id.eq(client_message_id)))
        .first(conn).optional())?;
    Ok(found)
}

/// A range of a conversation that a user may read: from `from` to `to`, both included, at most
/// `limit` messages.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from: Seq,
    pub to: Seq,
    pub limit: i64,
    /// Returns the newest messages instead of the oldest when there are more than `limit`.
    pub newest: bool,
}

/// The user did not delete the message for themselves.
#[diesel::dsl::auto_type]
pub(crate) fn shows_to(me: i64) -> _ {
    not(exists(
        hidden_messages::table
            .filter(hidden_messages::user_id.eq(me.into_sql::<BigInt>()))
            .filter(hidden_messages::message_id.eq(messages::id)),
    ))
}

/// Lists the messages that are visible to `me`, ascending by `seq`, whichever end was cut.
pub fn list_messages(db: &mut Db, me: UserId, conversation_id: ConversationId, window: Window) -> Result<Vec<Message>> {
    let Window { from, to, limit, newest } = window;
    let mut found: Vec<Message> = on!(db, conn => {
        let inside = messages::table
            .select(Message::as_select())
            .filter(messages::conversation_id.eq(conversation_id).and(shows_to(me.get())))
            .filter(messages::seq.ge(from).and(messages::seq.le(to)))
            .limit(limit);
        match newest {
            true => inside.order(messages::seq.desc()).load(conn),
            false => inside.order(messages::seq.asc()).load(conn),
        }
    })?;
    if newest {
        found.reverse();
    }
    Ok(found)
}

/// Lists the messages of several conversations that are visible to `me`, from a `seq` on in each,
/// in no order. The caller knows that they are few.
pub fn list_from(db: &mut Db, me: UserId, starts: &[(ConversationId, Seq)]) -> Result<Vec<Message>> {
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    Ok(on!(db, conn => {
        let mut query = messages::table.select(Message::as_select()).into_boxed();
        for (id, seq) in padded(starts) {
            query = query.or_filter(messages::conversation_id.eq(id).and(messages::seq.ge(seq)));
        }
        query.filter(shows_to(me.get())).load(conn)
    })?)
}

/// Lists the newest message of each of these conversations that is visible to `me`, if there is
/// one.
pub fn list_newest(db: &mut Db, me: UserId, ids: &[ConversationId]) -> Result<Vec<Message>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = id_list(ids)?;
    let newest = diesel::alias!(messages as newest);
    let is_hidden = exists(
        hidden_messages::table
            .filter(hidden_messages::user_id.eq(me))
            .filter(hidden_messages::message_id.eq(newest.field(messages::id))),
    );
    let newest = newest
        .filter(newest.field(messages::conversation_id).eq(participants::conversation_id))
        .filter(newest.field(messages::seq).gt(participants::cleared_seq))
        .filter(newest.field(messages::seq).ge(participants::visible_from_seq))
        .filter(not(is_hidden))
        .order(newest.field(messages::seq).desc())
        .select(newest.field(messages::id))
        .limit(1)
        .single_value();
    Ok(on!(db, conn => participants::table.inner_join(messages::table.on(messages::id.nullable().eq(newest)))
        .select(Message::as_select())
        .filter(participants::user_id.eq(me).and(participants::conversation_id.among(&ids)))
        .load(conn))?)
}

/// Replaces the text under the `rev` taken for it. `first_hash` is the hash of the text as first
/// sent. It is stored at the first change and kept from then on.
///
/// # Errors
/// `Contention` when another node deleted the message since it was read.
pub fn set_content(
    db: &mut Db,
    id: MessageId,
    content: &str,
    first_hash: &[u8],
    rev: Rev,
    at: Timestamp,
) -> Result<()> {
    let is_first = messages::id.eq(id).and(messages::first_content_hash.is_null());
    on!(db, conn => diesel::update(messages::table.filter(is_first))
        .set(messages::first_content_hash.eq(first_hash)).execute(conn))?;
    let changes =
        (messages::content.eq(content), messages::rev.eq(rev), messages::edited_at.eq(at), messages::changed_at.eq(at));
    must_be_there(on!(db, conn => diesel::update(not_deleted(id)).set(changes).execute(conn))?)
}

/// Finds the hash of the text as first sent, if the text was changed since.
pub fn find_first_hash(db: &mut Db, id: MessageId) -> Result<Option<Vec<u8>>> {
    Ok(on!(db, conn => messages::table.find(id).select(messages::first_content_hash).first(conn))?)
}

/// Leaves a tombstone. Nothing of the text is kept.
pub fn set_deleted(db: &mut Db, id: MessageId, rev: Rev, at: Timestamp) -> Result<()> {
    let changes = (
        messages::content.eq(""),
        messages::first_content_hash.eq(None::<Vec<u8>>),
        messages::rev.eq(rev),
        messages::deleted_at.eq(at),
        messages::changed_at.eq(at),
    );
    on!(db, conn => diesel::update(messages::table.find(id)).set(changes).execute(conn))?;
    Ok(())
}

/// Records a change of another kind, such as a reaction.
///
/// # Errors
/// `Contention` when another node deleted the message since it was read.
pub fn set_changed(db: &mut Db, id: MessageId, rev: Rev, at: Timestamp) -> Result<()> {
    let changes = (messages::rev.eq(rev), messages::changed_at.eq(at));
    must_be_there(on!(db, conn => diesel::update(not_deleted(id)).set(changes).execute(conn))?)
}

/// The message, unless it was deleted.
#[diesel::dsl::auto_type]
fn not_deleted(id: MessageId) -> _ {
    messages::table.filter(messages::id.eq(id).and(messages::deleted_at.is_null()))
}

/// Fails when another node changed the message first. The writer runs the job again, which then
/// finds the tombstone.
fn must_be_there(rows: usize) -> Result<()> {
    match rows {
        1 => Ok(()),
        _ => Err(Error::Contention("a message was deleted meanwhile".into())),
    }
}

pub fn is_hidden(db: &mut Db, id: MessageId, from: UserId) -> Result<bool> {
    Ok(on!(db, conn => diesel::select(exists(hidden_messages::table.find((from, id)))).get_result(conn))?)
}

/// Hides the message from one user, under the private rev taken for it.
pub fn insert_hidden(
    db: &mut Db,
    (conversation_id, id): (ConversationId, MessageId),
    from: UserId,
    private_rev: i64,
) -> Result<()> {
    let row = (
        hidden_messages::user_id.eq(from),
        hidden_messages::conversation_id.eq(conversation_id),
        hidden_messages::message_id.eq(id),
        hidden_messages::me.eq(private_rev),
    );
    // Another node may have hidden it at the same moment, which has the same effect.
    on!(db, conn => diesel::insert_into(hidden_messages::table).values(row).on_conflict_do_nothing().execute(conn))?;
    Ok(())
}

/// A message that its reader hid.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Hidden {
    pub message_id: MessageId,
    pub private_rev: i64,
}

pub fn list_hidden_after(db: &mut Db, user_id: UserId, after: i64, limit: i64) -> Result<Vec<Hidden>> {
    Ok(on!(db, conn => hidden_messages::table.select((hidden_messages::message_id, hidden_messages::me))
        .filter(hidden_messages::user_id.eq(user_id).and(hidden_messages::me.gt(after)))
        .order(hidden_messages::me).limit(limit).load(conn))?)
}

/// Repeats the items until their number is a power of two. So a query that names each of them has
/// few different texts, and stays prepared.
pub(crate) fn padded<T: Copy>(items: &[T]) -> impl Iterator<Item = T> {
    items.iter().copied().cycle().take(items.len().next_power_of_two())
}
