//! The changes since a position: the queries behind `sync`. Each of them walks an index from the
//! position on, and is bounded.

use super::conversations::{exists_for, shown_to};
use super::messages::{Message, padded, shows_to};
use super::participants::{Participant, participant_columns};
use crate::error::Result;
use crate::ids::{ConversationId, Rev, Seq, UserId};
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::schema::{blocks, contacts, conversations, messages, participants, users};
use crate::store::{Db, on};
use diesel::dsl::not;
use diesel::prelude::*;

/// The head of a conversation, for a user who is in it.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct ConversationHead {
    pub id: ConversationId,
    pub last_seq: Seq,
    pub rev: Rev,
    /// Whether the list of conversations shows it.
    pub is_shown: bool,
}

/// Lists every conversation of the user, or only the named ones, latest activity first.
pub fn list_heads(db: &mut Db, me: UserId, only: Option<&[ConversationId]>) -> Result<Vec<ConversationHead>> {
    let only = only.map(id_list).transpose()?;
    on!(db, conn => {
        let mut query = participants::table.inner_join(conversations::table)
            .select((conversations::id, conversations::last_seq, conversations::rev, shown_to(me.get())))
            .filter(participants::user_id.eq(me).and(participants::role.is_not_null()))
            .filter(exists_for(me.get()))
            .order((conversations::active_at.desc(), conversations::id.desc()))
            .into_boxed();
        if let Some(only) = &only {
            query = query.filter(conversations::id.among(only));
        }
        Ok(query.load(conn)?)
    })
}

/// A conversation, and the rev after which the changes begin.
pub type Since = (ConversationId, Rev);

/// A message of a conversation that a user is in, whether it is visible to them or not.
#[derive(Clone, Debug, Queryable)]
pub struct Candidate {
    pub message: Message,
    /// The user deleted the message for themselves.
    pub is_hidden: bool,
}

/// Lists messages of several conversations, from a `seq` on in each, in no order. The caller knows
/// that they are few.
pub fn list_end(db: &mut Db, me: UserId, ends: &[(ConversationId, Seq)]) -> Result<Vec<Candidate>> {
    if ends.is_empty() {
        return Ok(Vec::new());
    }
    Ok(on!(db, conn => {
        let mut query = messages::table.select((Message::as_select(), not(shows_to(me.get())))).into_boxed();
        for (id, seq) in padded(ends) {
            query = query.or_filter(messages::conversation_id.eq(id).and(messages::seq.ge(seq)));
        }
        query.load(conn)
    })?)
}

/// Lists messages that changed after they were sent, by rev, at most `limit`.
pub fn list_changed_messages(db: &mut Db, me: UserId, since: &[Since], limit: i64) -> Result<Vec<Candidate>> {
    if since.is_empty() {
        return Ok(Vec::new());
    }
    Ok(on!(db, conn => {
        let mut query = messages::table.select((Message::as_select(), not(shows_to(me.get()))))
            .order(messages::rev).limit(limit).into_boxed();
        for (id, rev) in padded(since) {
            let is_later = messages::conversation_id.eq(id).and(messages::rev.gt(rev));
            query = query.or_filter(is_later.and(messages::changed_at.is_not_null()));
        }
        query.load(conn)
    })?)
}

/// Lists participants that changed, by rev, at most `limit`. It includes those who left.
pub fn list_changed_participants(db: &mut Db, since: &[Since], limit: i64) -> Result<Vec<Participant>> {
    if since.is_empty() {
        return Ok(Vec::new());
    }
    Ok(on!(db, conn => {
        let mut query = participants::table.inner_join(users::table).select(participant_columns!())
            .order((participants::rev, participants::user_id)).limit(limit).into_boxed();
        for (id, rev) in padded(since) {
            query = query.or_filter(participants::conversation_id.eq(id).and(participants::rev.gt(rev)));
        }
        query.load(conn)
    })?)
}

/// A change to a block or contact of the user: added or removed.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct RelationChange {
    pub user_id: UserId,
    pub removed: bool,
    pub private_rev: i64,
}

pub fn list_blocks_after(db: &mut Db, user_id: UserId, after: i64, limit: i64) -> Result<Vec<RelationChange>> {
    Ok(on!(db, conn => blocks::table.select((blocks::blocked_id, blocks::removed_at.is_not_null(), blocks::me))
        .filter(blocks::user_id.eq(user_id).and(blocks::me.gt(after))).order(blocks::me).limit(limit).load(conn))?)
}

pub fn list_contacts_after(db: &mut Db, user_id: UserId, after: i64, limit: i64) -> Result<Vec<RelationChange>> {
    Ok(on!(db, conn => contacts::table.select((contacts::contact_id, contacts::removed_at.is_not_null(), contacts::me))
        .filter(contacts::user_id.eq(user_id).and(contacts::me.gt(after))).order(contacts::me).limit(limit).load(conn))?)
}
