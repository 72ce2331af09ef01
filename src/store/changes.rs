//! What changed since a position: the questions behind `sync`. Each of them
//! walks an index from the position on, and is bounded.

use super::Db;
use super::conversations::{Conversation, Participant, participant_columns};
use super::messages::Message;
use super::on;
use super::schema::{blocks, contacts, conversations, messages, participants, users};
use crate::error::Result;
use crate::ids::{ConversationId, Rev, Seq, UserId};
use diesel::prelude::*;

/// Where a conversation stands for one who is in it.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Standing {
    pub id: ConversationId,
    pub rev: Rev,
    /// Whether the list of conversations shows it.
    pub is_shown: bool,
}

/// Every conversation of the user, or those named, latest activity first.
pub fn list_standings(db: &mut Db, me: UserId, only: Option<&[ConversationId]>) -> Result<Vec<Standing>> {
    let only: Option<Vec<i64>> = only.map(|ids| ids.iter().map(|id| id.get()).collect());
    on!(db, conn => {
        let mut query = participants::table.inner_join(conversations::table)
            .select((conversations::id, conversations::rev, super::conversations::shown_to(me.get())))
            .filter(participants::user_id.eq(me).and(participants::role.is_not_null()))
            .order((conversations::active_at.desc(), conversations::id.desc()))
            .into_boxed();
        if let Some(ids) = &only {
            query = query.filter(conversations::id.eq_any(ids));
        }
        Ok(query.load(conn)?)
    })
}

/// Messages that changed after `rev`, by rev, at most `limit`, from the first
/// one may see on.
///
/// As sent, a message's rev grows with its seq, and no more messages can be
/// new than revs were taken; so the new ones are the end of the conversation.
/// What changed later has an index of its own. Either walk is bounded by
/// `limit`, also where most revs went to receipts.
pub fn list_messages_after(
    db: &mut Db,
    conversation: &Conversation,
    first_visible: Seq,
    rev: Rev,
    limit: i64,
) -> Result<Vec<Message>> {
    let newest = limit.min(conversation.rev.get() - rev.get());
    let mut found: Vec<Message> = on!(db, conn => messages::table.select(Message::as_select())
        .filter(messages::conversation_id.eq(conversation.id).and(messages::seq.ge(first_visible)))
        .order(messages::seq.desc()).limit(newest).load(conn))?;
    found.retain(|message| message.rev > rev);
    let changed: Vec<Message> = on!(db, conn => messages::table.select(Message::as_select())
        .filter(messages::conversation_id.eq(conversation.id).and(messages::rev.gt(rev)))
        .filter(messages::changed_at.is_not_null().and(messages::seq.ge(first_visible)))
        .order(messages::rev).limit(limit).load(conn))?;
    found.extend(changed);
    found.sort_unstable_by_key(|message| message.rev);
    found.dedup_by_key(|message| message.rev);
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

/// Participants that changed after `rev`, by rev, at most `limit`; also those
/// who left.
pub fn list_participants_after(db: &mut Db, id: ConversationId, rev: Rev, limit: i64) -> Result<Vec<Participant>> {
    Ok(on!(db, conn => participants::table.inner_join(users::table)
        .select(participant_columns!())
        .filter(participants::conversation_id.eq(id).and(participants::rev.gt(rev)))
        .order((participants::rev, participants::user_id)).limit(limit).load(conn))?)
}

/// A block or contact of one's own that came or went.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Tie {
    pub user_id: UserId,
    pub removed: bool,
    pub me: i64,
}

pub fn list_blocks_after(db: &mut Db, user_id: UserId, me: i64, limit: i64) -> Result<Vec<Tie>> {
    Ok(on!(db, conn => blocks::table.select((blocks::blocked_id, blocks::removed_at.is_not_null(), blocks::me))
        .filter(blocks::user_id.eq(user_id).and(blocks::me.gt(me))).order(blocks::me).limit(limit).load(conn))?)
}

pub fn list_contacts_after(db: &mut Db, user_id: UserId, me: i64, limit: i64) -> Result<Vec<Tie>> {
    Ok(on!(db, conn => contacts::table.select((contacts::contact_id, contacts::removed_at.is_not_null(), contacts::me))
        .filter(contacts::user_id.eq(user_id).and(contacts::me.gt(me))).order(contacts::me).limit(limit).load(conn))?)
}
