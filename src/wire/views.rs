//! Users, messages and conversations as clients see them.

use crate::ids::{ConversationId, LoginId, MessageId, Position, ReportId, Rev, Role, Seq, Timestamp, UserId};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UserView {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub created_at: Timestamp,
    /// Outer none: not shown, because it is somebody else's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Option<String>>,
}

/// How far a message came with every other participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Sent,
    Delivered,
    Read,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct MessageView {
    pub id: MessageId,
    pub conversation_id: ConversationId,
    pub seq: Seq,
    pub rev: Rev,
    pub sender_id: UserId,
    /// The other person of a direct conversation; null in a group.
    pub receiver_id: Option<UserId>,
    pub content: String,
    pub message_type: String,
    pub client_message_id: Option<String>,
    pub reply_to_id: Option<MessageId>,
    pub reactions: Vec<ReactionView>,
    /// Always empty in this version.
    pub attachments: [(); 0],
    pub created_at: Timestamp,
    pub edited_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
    pub status: Status,
    pub is_read: bool,
    pub read_at: Option<Timestamp>,
}

/// One emoji under a message.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReactionView {
    pub emoji: String,
    pub count: i64,
    /// The first twenty.
    pub user_ids: Vec<UserId>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ParticipantView {
    pub user_id: UserId,
    pub username: String,
    pub display_name: String,
    /// Null: left.
    #[schemars(with = "Option<Role>")]
    pub role: Option<String>,
    pub rev: Rev,
    #[schemars(with = "Position")]
    pub read_seq: Seq,
    #[schemars(with = "Position")]
    pub delivered_seq: Seq,
}

/// A conversation as everybody in it sees it: the shape of live frames.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ConversationView {
    pub id: ConversationId,
    #[schemars(extend("enum" = ["direct", "group"]))]
    pub kind: String,
    pub title: Option<String>,
    pub platform: String,
    pub created_at: Timestamp,
    #[schemars(with = "Position")]
    pub last_seq: Seq,
    pub rev: Rev,
    pub participant_count: i64,
    pub participants: Vec<ParticipantView>,
}

/// What one participant alone sees of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OwnPlace {
    pub last_message: Option<MessageView>,
    /// Counted up to 1,000.
    pub unread_count: i64,
    /// There where `unread_count` is 1,000, which stands for 1,000 or more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_capped: bool,
    #[schemars(with = "Position")]
    pub cleared_seq: Seq,
    pub visible_from_seq: Seq,
}

/// A conversation as REST shows it to one participant.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OwnConversationView {
    #[serde(flatten)]
    pub shared: ConversationView,
    #[serde(flatten)]
    pub own: OwnPlace,
}

/// What somebody told the administrators of: a person or a message.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReportView {
    pub id: ReportId,
    pub created_at: Timestamp,
    pub reporter_id: UserId,
    pub user_id: Option<UserId>,
    pub message_id: Option<MessageId>,
    pub reason: String,
}

/// A login, for its owner to recognise the device.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LoginView {
    pub id: LoginId,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    /// As it was when the device logged in, like the address.
    pub user_agent: Option<String>,
    pub ip: Option<String>,
    /// It is the one that asks.
    pub current: bool,
}

/// A block or a contact of one's own.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct TieView {
    pub user_id: UserId,
    /// It was lifted.
    pub removed: bool,
}

/// One's own place in a conversation, as far as others do not see it.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct OwnPlaceView {
    pub id: ConversationId,
    #[schemars(with = "Position")]
    pub cleared_seq: Seq,
    pub visible_from_seq: Seq,
    #[schemars(with = "Position")]
    pub read_seq: Seq,
}
