//! Views: users, messages and conversations in the form that clients receive.

use crate::ids::{ConversationId, LoginId, MessageId, Position, ReportId, Rev, Role, Seq, Timestamp, UserId};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UserView {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub created_at: Timestamp,
    /// Absent for other users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Option<String>>,
}

/// Delivery status of a message: the state that it reached with every other participant.
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
    /// The other user of a direct conversation; null in a group.
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

/// One emoji reaction to a message.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReactionView {
    pub emoji: String,
    pub count: i64,
    /// The first twenty users.
    pub user_ids: Vec<UserId>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ParticipantView {
    pub user_id: UserId,
    pub username: String,
    pub display_name: String,
    /// Null: the user left.
    #[schemars(with = "Option<Role>")]
    pub role: Option<String>,
    pub rev: Rev,
    #[schemars(with = "Position")]
    pub read_seq: Seq,
    #[schemars(with = "Position")]
    pub delivered_seq: Seq,
}

/// A conversation in the form that all its participants see. Live frames use this shape.
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

/// The parts of a conversation that only one participant sees.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OwnConversationState {
    pub last_message: Option<MessageView>,
    /// Counted up to 1,000.
    pub unread_count: i64,
    /// Present when `unread_count` is 1,000, which means 1,000 or more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_capped: bool,
    #[schemars(with = "Position")]
    pub cleared_seq: Seq,
    pub visible_from_seq: Seq,
}

/// A conversation in the form that REST returns to one participant.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OwnConversationView {
    #[serde(flatten)]
    pub shared: ConversationView,
    #[serde(flatten)]
    pub own: OwnConversationState,
}

/// A report to the administrators about a user or a message.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReportView {
    pub id: ReportId,
    pub created_at: Timestamp,
    pub reporter_id: UserId,
    pub user_id: Option<UserId>,
    pub message_id: Option<MessageId>,
    pub reason: String,
}

/// A login, described so that its owner can recognise the device.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LoginView {
    pub id: LoginId,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    /// User agent of the device at the time it logged in; `ip` is from the same time.
    pub user_agent: Option<String>,
    pub ip: Option<String>,
    /// True for the login that sends this request.
    pub current: bool,
}

/// A block or a contact of the caller.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct RelationChangeView {
    pub user_id: UserId,
    /// True when the block or contact was removed.
    pub removed: bool,
}

/// The caller's own state in a conversation, as far as other participants do not see it.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct OwnStateView {
    pub id: ConversationId,
    #[schemars(with = "Position")]
    pub cleared_seq: Seq,
    pub visible_from_seq: Seq,
    #[schemars(with = "Position")]
    pub read_seq: Seq,
}
