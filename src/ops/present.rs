//! Rows as clients see them.

use super::Cx;
use crate::error::Result;
use crate::ids::{ConversationId, Seq, Timestamp, UserId};
use crate::store::Db;
use crate::store::conversations::{self, Conversation, Participant, Place};
use crate::store::messages::{self, Message};
use crate::store::positions::{self, Kind, Mark};
use crate::store::users::User;
use crate::wire::{
    self, ConversationView, Event, MeUpdate, MessageView, OwnConversationView, OwnPlace, ParticipantView, Status,
    UserView,
};
use std::collections::HashMap;

/// Conversations of up to this many people list all of them.
const MAX_LISTED_PARTICIPANTS: i64 = 64;

/// As others see the user.
pub(super) fn user(user: User) -> UserView {
    let User { id, username, display_name, created_at, .. } = user;
    UserView { id, username, display_name, created_at, email: None }
}

/// As users see themselves.
pub(super) fn own_user(own: User) -> UserView {
    let email = own.email.clone();
    UserView { email: Some(email), ..user(own) }
}

/// `me_update` to the user's own sessions.
pub(super) fn tell_me(me: UserId, update: &MeUpdate, cx: &Cx) -> Event {
    Event::Frame { to: vec![me], frame: wire::encode("me_update", cx.now, update), ends_typing: None }
}

/// How far everybody but the sender came with one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    status: Status,
    /// When the last of them had read it.
    read_at: Option<Timestamp>,
}

impl Reach {
    /// Of a message that nobody can have got yet.
    pub const NOBODY: Reach = Reach { status: Status::Sent, read_at: None };
}

/// What the others' positions say about a run of messages.
struct Readers {
    /// Every participant with the marks that tell when they read the run.
    readers: Vec<(Participant, Vec<Mark>)>,
}

impl Readers {
    fn of(db: &mut Db, conversation: &Conversation, rows: &[Message]) -> Result<Self> {
        let participants = conversations::list_participants(db, &[conversation.id], None)?;
        let Some(first) = rows.iter().map(|row| row.seq).min() else { return Ok(Self { readers: Vec::new() }) };
        let last = rows.iter().map(|row| row.seq).max().unwrap_or(first);
        let most = last.get() - first.get() + 1;
        let readers = participants
            .into_iter()
            .map(|reader| {
                let has_read = reader.read_seq >= first;
                let marks = match has_read {
                    true => positions::list_marks(db, conversation.id, reader.user_id, Kind::Read, first, most)?,
                    false => Vec::new(),
                };
                Ok((reader, marks))
            })
            .collect::<Result<_>>()?;
        Ok(Self { readers })
    }

    fn reach(&self, seq: Seq, sender: UserId) -> Reach {
        let others = || self.readers.iter().filter(|(reader, _)| reader.user_id != sender);
        let least = |position: fn(&Participant) -> Seq| others().map(|(reader, _)| position(reader)).min();
        if least(|reader| reader.read_seq).is_some_and(|read| read >= seq) {
            let read_at = |marks: &[Mark]| marks.iter().find(|mark| mark.seq >= seq).map(|mark| mark.at);
            return Reach { status: Status::Read, read_at: others().filter_map(|(_, marks)| read_at(marks)).max() };
        }
        let is_delivered = least(|reader| reader.delivered_seq).is_some_and(|delivered| delivered >= seq);
        Reach { status: if is_delivered { Status::Delivered } else { Status::Sent }, read_at: None }
    }
}

pub(super) fn message(row: Message, receiver_id: Option<UserId>, reach: Reach) -> MessageView {
    let Reach { status, read_at } = reach;
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
        reactions: [],
        attachments: [],
        created_at: row.created_at,
        edited_at: row.edited_at,
        deleted_at: row.deleted_at,
        status,
        is_read: status == Status::Read,
        read_at,
    }
}

/// Messages of one conversation, each with its receiver and status.
pub(super) fn history(db: &mut Db, conversation: &Conversation, rows: Vec<Message>) -> Result<Vec<MessageView>> {
    let readers = Readers::of(db, conversation, &rows)?;
    let view = |row: Message| {
        let reach = readers.reach(row.seq, row.sender_id);
        let receiver_id = conversation.peer_of(row.sender_id);
        message(row, receiver_id, reach)
    };
    Ok(rows.into_iter().map(view).collect())
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

/// A conversation as everybody in it sees it.
pub(super) fn conversation(row: &Conversation, count: i64, participants: Vec<Participant>) -> ConversationView {
    let participants = participants.into_iter().map(participant).collect();
    ConversationView {
        id: row.id,
        kind: row.kind.clone(),
        title: row.title.clone(),
        platform: row.platform.clone(),
        created_at: row.created_at,
        last_seq: row.last_seq,
        rev: row.rev,
        participant_count: count,
        participants,
    }
}

/// Conversations as `me` sees them, in the order given.
pub(super) fn own_conversations(
    db: &mut Db,
    me: UserId,
    rows: Vec<(Conversation, Place)>,
) -> Result<Vec<OwnConversationView>> {
    let ids: Vec<ConversationId> = rows.iter().map(|(row, _)| row.id).collect();
    let counts = conversations::count_members(db, &ids)?;
    let count_of = |id: &ConversationId| counts.get(id).copied().unwrap_or(0);
    let (small, large): (Vec<_>, Vec<_>) = ids.iter().partition(|id| count_of(id) <= MAX_LISTED_PARTICIPANTS);
    let mut participants: HashMap<ConversationId, Vec<Participant>> = HashMap::new();
    for row in conversations::list_participants(db, &small, None)?.into_iter().chain(conversations::list_participants(
        db,
        &large,
        Some(me),
    )?) {
        participants.entry(row.conversation_id).or_default().push(row);
    }
    let last: Vec<_> = rows
        .iter()
        .filter(|(row, place)| row.last_seq >= place.first_visible())
        .map(|(row, _)| (row.id, row.last_seq))
        .collect();
    let mut last: HashMap<ConversationId, Message> =
        messages::list_at(db, &last)?.into_iter().map(|row| (row.conversation_id, row)).collect();
    rows.into_iter()
        .map(|(row, place)| {
            let people = participants.remove(&row.id).unwrap_or_default();
            let last_message = last
                .remove(&row.id)
                .map(|last| history(db, &row, vec![last]))
                .transpose()?
                .and_then(|mut one| one.pop());
            let read_before = place.own_read_seq.max(Seq::new(place.first_visible().get() - 1));
            let own = OwnPlace {
                last_message,
                unread_count: messages::count_unread(db, row.id, me, read_before)?,
                cleared_seq: place.cleared_seq,
                visible_from_seq: place.visible_from_seq,
            };
            Ok(OwnConversationView { shared: conversation(&row, count_of(&row.id), people), own })
        })
        .collect()
}
