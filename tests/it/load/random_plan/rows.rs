//! The contents of the tables at one moment, and the state that follows from them by the simplest
//! computation: none of the hub's own queries is used here.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// All stored rows, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub conversations: Vec<ConversationRow>,
    /// Participants, including those who left.
    pub participants: Vec<ParticipantRow>,
    /// Messages by conversation, and by `seq` within it.
    pub messages: Vec<MessageRow>,
    /// Ids of messages that were changed after sending.
    pub changed: BTreeSet<i64>,
    /// The users and the messages that each deleted for themselves.
    pub hidden: BTreeSet<(i64, i64)>,
    /// The blocks and contacts of each user.
    pub blocks: Vec<Relation>,
    pub contacts: Vec<Relation>,
    /// The users who left a group, with the user who had added them.
    pub declined: Vec<Relation>,
    pub marks: Vec<Mark>,
}

#[derive(Clone, Debug, PartialEq, QueryableByName)]
pub struct ConversationRow {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = BigInt)]
    pub last_seq: i64,
    #[diesel(sql_type = BigInt)]
    pub rev: i64,
    /// The pair of users, for a direct conversation.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub user_low: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub user_high: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub title: Option<String>,
}

#[derive(Clone, Debug, PartialEq, QueryableByName)]
pub struct ParticipantRow {
    #[diesel(sql_type = BigInt)]
    pub conversation_id: i64,
    #[diesel(sql_type = BigInt)]
    pub user_id: i64,
    /// The role; none: left.
    #[diesel(sql_type = Nullable<Text>)]
    pub role: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub rev: i64,
    #[diesel(sql_type = BigInt)]
    pub visible_from_seq: i64,
    #[diesel(sql_type = BigInt)]
    pub cleared_seq: i64,
    #[diesel(sql_type = BigInt)]
    pub delivered_seq: i64,
    #[diesel(sql_type = BigInt)]
    pub read_seq: i64,
    #[diesel(sql_type = BigInt)]
    pub own_read_seq: i64,
}

/// A message, as a client shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageRow {
    pub id: i64,
    pub conversation_id: i64,
    pub seq: i64,
    pub rev: i64,
    pub sender_id: i64,
    pub content: String,
    pub client_message_id: String,
    pub is_edited: bool,
    pub is_deleted: bool,
    /// The reactions, each with its user.
    pub reactions: BTreeSet<(String, i64)>,
}

#[derive(Clone, Debug, QueryableByName)]
pub struct Relation {
    #[diesel(sql_type = BigInt)]
    pub from: i64,
    #[diesel(sql_type = BigInt)]
    pub to: i64,
}

#[derive(Clone, Debug, QueryableByName)]
pub struct Mark {
    #[diesel(sql_type = BigInt)]
    pub conversation_id: i64,
    #[diesel(sql_type = BigInt)]
    pub user_id: i64,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    #[diesel(sql_type = BigInt)]
    pub at: i64,
}

impl ConversationRow {
    pub fn is_group(&self) -> bool {
        self.user_low.is_none()
    }

    /// A new participant.
    pub fn group(id: i64, title: Option<String>) -> Self {
        Self { id, last_seq: 0, rev: 1, user_low: None, user_high: None, title }
    }
}

impl ParticipantRow {
    /// A new member's view begins after the existing messages.
    pub fn joined(conversation: &ConversationRow, user_id: i64, role: &str, rev: i64) -> Self {
        let last = conversation.last_seq;
        Self {
            conversation_id: conversation.id,
            user_id,
            role: Some(role.to_owned()),
            rev,
            visible_from_seq: last + 1,
            cleared_seq: 0,
            delivered_seq: last,
            read_seq: last,
            own_read_seq: last,
        }
    }

    pub fn positions(&self) -> [i64; 5] {
        [self.conversation_id, self.user_id, self.delivered_seq, self.read_seq, self.own_read_seq]
    }
}

impl Rows {
    pub fn is_block_between(&self, one: i64, other: i64) -> bool {
        self.blocks.iter().any(|relation| {
            (relation.from, relation.to) == (one, other) || (relation.from, relation.to) == (other, one)
        })
    }

    /// Whether the user left a group of this adder's, and has neither made them a contact nor
    /// written to them.
    pub fn declines(&self, whom: i64, adder: i64) -> bool {
        let is_known = self.contacts.iter().any(|relation| (relation.from, relation.to) == (whom, adder))
            || self.messages.iter().any(|message| {
                let conversation = self.conversation(message.conversation_id);
                let pair = [conversation.user_low, conversation.user_high];
                message.sender_id == whom && pair.contains(&Some(adder)) && pair.contains(&Some(whom))
            });
        !is_known && self.declined.iter().any(|relation| (relation.from, relation.to) == (whom, adder))
    }

    /// A block has no effect in a group.
    pub fn is_blocked_in(&self, conversation: &ConversationRow) -> bool {
        let pair = conversation.user_low.zip(conversation.user_high);
        pair.is_some_and(|(low, high)| self.is_block_between(low, high))
    }

    pub fn conversation(&self, id: i64) -> &ConversationRow {
        self.conversations.iter().find(|row| row.id == id).expect("the row is known")
    }

    pub fn messages_in(&self, conversation_id: i64) -> impl Iterator<Item = &MessageRow> {
        self.messages.iter().filter(move |message| message.conversation_id == conversation_id)
    }

    /// The members.
    pub fn participants_in(&self, conversation_id: i64) -> impl Iterator<Item = &ParticipantRow> {
        let is_in = move |row: &&ParticipantRow| row.conversation_id == conversation_id && row.role.is_some();
        self.participants.iter().filter(is_in)
    }

    pub fn conversations_of(&self, user_id: i64) -> impl Iterator<Item = &ConversationRow> {
        self.conversations.iter().filter(move |row| self.member(user_id, row.id).is_some())
    }

    pub fn member(&self, user_id: i64, conversation_id: i64) -> Option<&ParticipantRow> {
        self.participants_in(conversation_id).find(|member| member.user_id == user_id)
    }

    /// Whether a user may see the message: it is not from before they joined, not cleared and not
    /// hidden.
    pub fn may_see(&self, user_id: i64, message: &MessageRow) -> bool {
        let Some(member) = self.member(user_id, message.conversation_id) else { return false };
        let is_there = message.seq >= member.visible_from_seq && message.seq > member.cleared_seq;
        is_there && !self.hidden.contains(&(user_id, message.id))
    }

    /// The messages of a conversation that a user may see.
    pub fn shown_in(&self, conversation_id: i64, user_id: i64) -> impl Iterator<Item = &MessageRow> {
        self.messages_in(conversation_id).filter(move |message| self.may_see(user_id, message))
    }

    /// The conversations in a user's list: cleared ones come back with the next message, and groups
    /// are listed before their first message.
    pub fn listed_for(&self, user_id: i64) -> impl Iterator<Item = &ConversationRow> {
        let has_news = move |row: &ConversationRow| {
            let member = self.member(user_id, row.id);
            member.is_some_and(|member| row.last_seq > member.cleared_seq || member.cleared_seq == 0)
        };
        self.conversations_of(user_id).filter(move |row| has_news(row))
    }

    /// The unread counts of a user, counted message by message, where there are any.
    pub fn unread(&self, user_id: i64) -> BTreeMap<i64, i64> {
        let mut counts = BTreeMap::new();
        for member in self.participants.iter().filter(|member| member.user_id == user_id) {
            for message in self.shown_in(member.conversation_id, user_id) {
                let is_news = message.seq > member.own_read_seq && message.sender_id != user_id;
                if is_news && !message.is_deleted {
                    *counts.entry(member.conversation_id).or_default() += 1;
                }
            }
        }
        counts
    }

    /// The time when a user reached this message: the first mark that is not before it.
    pub fn reached_at(&self, message: &MessageRow, user_id: i64, kind: &str) -> Option<i64> {
        let is_of = |mark: &&Mark| mark.conversation_id == message.conversation_id && mark.user_id == user_id;
        self.marks.iter().filter(is_of).find(|mark| mark.kind == kind && mark.seq >= message.seq).map(|mark| mark.at)
    }
}

impl MessageRow {
    /// The position as a frame or an answer has it.
    pub fn from_json(message: &Value) -> Self {
        let number = |key: &str| message[key].as_i64().unwrap();
        let text = |key: &str| message[key].as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let reactions = list(&message["reactions"]).into_iter().flat_map(|kind| {
            let emoji = kind["emoji"].as_str().unwrap().to_owned();
            list(&kind["user_ids"]).into_iter().map(move |id| (emoji.clone(), id.as_i64().unwrap()))
        });
        Self {
            id: number("id"),
            conversation_id: number("conversation_id"),
            seq: number("seq"),
            rev: number("rev"),
            sender_id: number("sender_id"),
            content: text("content"),
            client_message_id: text("client_message_id"),
            is_edited: !message["edited_at"].is_null(),
            is_deleted: !message["deleted_at"].is_null(),
            reactions: reactions.collect(),
        }
    }
}
