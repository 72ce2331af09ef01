//! Converts rows to the views that clients see.

use super::op::Cx;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MessageId, Seq, Timestamp, UserId};
use crate::store::Db;
use crate::store::accounts::reports::Report;
use crate::store::accounts::users::User;
use crate::store::messaging::conversations::{self, Conversation, OwnState};
use crate::store::messaging::messages::{self, Message};
use crate::store::messaging::participants::{self, Participant};
use crate::store::messaging::positions::{self, DeliveryStatus};
use crate::store::messaging::reactions::{self, Reaction, Tally};
use crate::store::messaging::unread::{self, Unread};
use crate::wire::{
    self, ConversationView, Effect, MeUpdate, MessageView, OwnConversationState, OwnConversationView, ParticipantView,
    ReactionView, ReportView, Status, UserView,
};
use std::collections::{HashMap, HashSet};

/// Conversations of up to this many participants list all of them.
pub(super) const MAX_LISTED_PARTICIPANTS: usize = 64;

/// The view of a user for other users.
pub(super) fn user(user: User) -> UserView {
    let User { id, username, display_name, created_at, .. } = user;
    UserView { id, username, display_name, created_at, email: None }
}

/// The view of a user for that user.
pub(super) fn own_user(own: User) -> UserView {
    let email = own.email.clone();
    UserView { email: Some(email), ..user(own) }
}

pub(super) fn report(row: Report) -> ReportView {
    let Report { id, reporter_id, user_id, message_id, reason, created_at, evidence: _ } = row;
    ReportView { id, created_at, reporter_id, user_id, message_id, reason }
}

/// Sends `me_update` to the user's own sessions.
pub(super) fn tell_me(me: UserId, update: &MeUpdate, cx: &Cx) -> Effect {
    Effect::Frame { to: vec![me], frame: wire::encode("me_update", cx.now, update), ends_typing: None }
}

pub(super) fn message(
    row: Message,
    receiver_id: Option<UserId>,
    status: Status,
    read_at: Option<Timestamp>,
) -> MessageView {
    MessageView {
        id: row.id,
        conversation_id: row.conversation_id,
        seq: row.seq,
        rev: row.rev,
        sender_id: row.sender_id,
        receiver_id,
        content: row.content,
        message_type: row.message_type,
        client_message_id: row.client_message_id,
        reply_to_id: row.reply_to_id,
        reactions: Vec::new(),
        attachments: [],
        created_at: row.created_at,
        edited_at: row.edited_at,
        deleted_at: row.deleted_at,
        status,
        is_read: status == Status::Read,
        read_at,
    }
}

/// Lists the reactions of each message.
fn reactions_of(db: &mut Db, ids: &[MessageId]) -> Result<HashMap<MessageId, Vec<ReactionView>>> {
    let mut views: HashMap<MessageId, Vec<ReactionView>> = HashMap::new();
    let tallies = reactions::list_tallies(db, ids)?;
    if tallies.is_empty() {
        return Ok(views);
    }
    for Tally { message_id, emoji, count } in tallies {
        views.entry(message_id).or_default().push(ReactionView { emoji, count, user_ids: Vec::new() });
    }
    for Reaction { message_id, emoji, user_id } in reactions::list_first(db, ids)? {
        let kinds = views.get_mut(&message_id).into_iter().flatten();
        if let Some(kind) = kinds.into_iter().find(|kind| kind.emoji == emoji) {
            kind.user_ids.push(user_id);
        }
    }
    Ok(views)
}

/// The current state of one message, with its receiver and status.
pub(super) fn current(db: &mut Db, row: Message) -> Result<MessageView> {
    history(db, vec![row])?.pop().ok_or_else(|| Error::bug("one row in, one view out"))
}

/// Messages of any conversations, each with its receiver and status.
pub(super) fn history(db: &mut Db, rows: Vec<Message>) -> Result<Vec<MessageView>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<MessageId> = rows.iter().map(|row| row.id).collect();
    let deliveries = positions::list_delivery_statuses(db, &ids)?;
    let deliveries: HashMap<MessageId, DeliveryStatus> =
        deliveries.into_iter().map(|delivery| (delivery.message_id, delivery)).collect();
    let mut reactions = reactions_of(db, &ids)?;
    let view = |row: Message| {
        let delivery = deliveries.get(&row.id).ok_or_else(|| Error::bug("a message is in a conversation"))?;
        let status = match (delivery.is_read, delivery.is_delivered) {
            (true, _) => Status::Read,
            (false, true) => Status::Delivered,
            (false, false) => Status::Sent,
        };
        let (low, high) = delivery.pair;
        let receiver_id = if low == Some(row.sender_id) { high } else { low };
        let reactions = reactions.remove(&row.id).unwrap_or_default();
        Ok(MessageView { reactions, ..message(row, receiver_id, status, delivery.read_at) })
    };
    rows.into_iter().map(view).collect()
}

pub(super) fn participant(row: Participant) -> ParticipantView {
    ParticipantView {
        user_id: row.user_id,
        username: row.username,
        display_name: row.display_name,
        role: row.role,
        rev: row.rev,
        read_seq: row.read_seq,
        delivered_seq: row.delivered_seq,
    }
}

/// The view of a conversation that all its participants share.
pub(super) fn conversation(row: &Conversation, participants: Vec<Participant>) -> ConversationView {
    let participants = participants.into_iter().map(participant).collect();
    ConversationView {
        id: row.id,
        kind: row.kind.clone(),
        title: row.title.clone(),
        platform: row.platform.clone(),
        created_at: row.created_at,
        last_seq: row.last_seq,
        rev: row.rev,
        participant_count: row.member_count,
        participants,
    }
}

pub(super) fn by_conversation<T>(rows: Vec<T>, id: impl Fn(&T) -> ConversationId) -> HashMap<ConversationId, Vec<T>> {
    let mut groups: HashMap<ConversationId, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(id(&row)).or_default().push(row);
    }
    groups
}

/// Lists the last visible message of each conversation. `ends` holds the last message of each. A
/// query over visible messages finds the rest.
fn list_last(db: &mut Db, me: UserId, ends: &[(ConversationId, Seq)]) -> Result<Vec<Message>> {
    let mut found = messages::list_from(db, me, ends)?;
    let have: HashSet<ConversationId> = found.iter().map(|message| message.conversation_id).collect();
    let others: Vec<ConversationId> = ends.iter().map(|(id, _)| *id).filter(|id| !have.contains(id)).collect();
    found.extend(messages::list_newest(db, me, &others)?);
    Ok(found)
}

/// The views of conversations for `me`, in the order given. The number of queries does not depend
/// on the number of conversations.
pub(super) fn own_conversations(
    db: &mut Db,
    me: UserId,
    rows: Vec<(Conversation, OwnState)>,
) -> Result<Vec<OwnConversationView>> {
    let is_small = |row: &Conversation| row.member_count <= MAX_LISTED_PARTICIPANTS as i64;
    let ids_of = |is_wanted: &dyn Fn(&Conversation) -> bool| -> Vec<ConversationId> {
        rows.iter().filter(|(row, _)| is_wanted(row)).map(|(row, _)| row.id).collect()
    };
    let (small, large) = (ids_of(&is_small), ids_of(&|row| !is_small(row)));
    let mut people = participants::list_participants(db, &small, None)?;
    people.extend(participants::list_participants(db, &large, Some(me))?);
    let mut participants = by_conversation(people, |row| row.conversation_id);
    let last = rows.iter().filter(|(row, own_state)| row.last_seq >= own_state.first_visible());
    let last: Vec<_> = last.map(|(row, _)| (row.id, row.last_seq)).collect();
    let last = list_last(db, me, &last)?;
    let mut last: HashMap<ConversationId, MessageView> =
        history(db, last)?.into_iter().map(|message| (message.conversation_id, message)).collect();
    let unread =
        rows.iter().filter(|(row, own_state)| row.last_seq >= own_state.first_visible().max(own_state.first_unread()));
    let unread: Vec<ConversationId> = unread.map(|(row, _)| row.id).collect();
    let unread = unread::list_unread(db, me, Some(&unread))?;
    let unread: HashMap<ConversationId, Unread> = unread.into_iter().map(|row| (row.conversation_id, row)).collect();
    let view = |(row, own_state): (Conversation, OwnState)| OwnConversationView {
        shared: conversation(&row, participants.remove(&row.id).unwrap_or_default()),
        own: OwnConversationState {
            last_message: last.remove(&row.id),
            unread_count: unread.get(&row.id).map_or(0, |unread| unread.count),
            is_capped: unread.get(&row.id).is_some_and(Unread::is_capped),
            cleared_seq: own_state.cleared_seq,
            visible_from_seq: own_state.visible_from_seq,
        },
    };
    Ok(rows.into_iter().map(view).collect())
}

/// The view of one conversation for `me`.
///
/// # Errors
/// `NotFound` where `me` is not in it.
pub(super) fn own_conversation(db: &mut Db, me: UserId, id: ConversationId) -> Result<OwnConversationView> {
    let found = conversations::get_with_own_state(db, me, id)?;
    let view = own_conversations(db, me, vec![found])?.pop();
    view.ok_or_else(|| Error::bug("one row in, one view out"))
}
