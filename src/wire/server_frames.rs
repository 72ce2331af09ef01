//! What the hub tells over a socket: the body of each frame, and the table by
//! which all of them are described.

use super::{ConversationView, MAX_REF_CHARS, MessageView, OwnPlaceView, TieView};
use crate::error::{Code, Error};
use crate::ids::{ConversationId, MessageId, Rev, Seq, SessionId, Timestamp, UserId};
use crate::schema::{SchemaOf, by_id, schema_of};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Every frame but `ack`: its type, and which bodies it may have.
pub const SERVER_FRAMES: &[(&str, &[SchemaOf])] = &[
    ("error", &[schema_of::<Refusal<'static>>]),
    ("authenticated", &[schema_of::<Authenticated<'static>>]),
    ("auth_error", &[schema_of::<Refusal<'static>>]),
    ("pong", &[schema_of::<Pong<'static>>]),
    ("system", &[schema_of::<Welcome<'static>>, schema_of::<Resync>]),
    ("presence_state", &[schema_of::<PresenceState<'static>>]),
    ("user_online_status", &[schema_of::<OnlineStatus>]),
    ("typing_indicator", &[schema_of::<Typing>]),
    ("viewing", &[schema_of::<Viewing>]),
    ("private_message", &[schema_of::<PrivateMessage<'static>>]),
    ("message_edited", &[schema_of::<MessageChange<'static>>]),
    ("message_deleted", &[schema_of::<MessageChange<'static>>]),
    ("message_reaction", &[schema_of::<ReactionChange<'static>>]),
    ("skip", &[schema_of::<Skip>]),
    ("conversation_update", &[schema_of::<ConversationUpdate<'static>>]),
    ("message_delivered", &[schema_of::<Receipt>]),
    ("message_read", &[schema_of::<Receipt>]),
    ("conversation_read", &[schema_of::<Receipt>]),
    ("me_update", &[schema_of::<MeUpdate<'static>>]),
    ("unread_count_update", &[schema_of::<UnreadUpdate<'static>>]),
];

/// `error`: a frame was refused.
#[derive(Serialize, JsonSchema)]
pub struct Refusal<'a> {
    #[schemars(extend("enum" = Code::ALL.map(|code| code.meaning().name)))]
    pub code: &'static str,
    pub message: &'a str,
    /// None when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_REF_CHARS))]
    pub r#ref: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_in_ms: Option<u128>,
}

impl<'a> Refusal<'a> {
    pub fn of(reference: Option<&'a str>, error: &Error, message: &'a str) -> Self {
        Self {
            code: error.code().meaning().name,
            message,
            r#ref: reference,
            retry_in_ms: error.retry_in().map(|wait| wait.as_millis()),
        }
    }
}

/// `authenticated`: who is on the other end.
#[derive(Serialize, JsonSchema)]
pub struct Authenticated<'a> {
    pub user_id: UserId,
    pub username: &'a str,
    pub display_name: &'a str,
    pub email: Option<&'a str>,
    /// When the socket ends unless it is renewed; null: with the login.
    pub expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<&'a str>,
}

/// `pong`, the answer to `ping`.
#[derive(Serialize, JsonSchema)]
pub struct Pong<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<&'a str>,
}

/// `system` with event `welcome`: the first frame of every session.
#[derive(Serialize, JsonSchema)]
pub struct Welcome<'a> {
    #[schemars(extend("const" = "welcome"))]
    pub event: &'static str,
    pub message: &'static str,
    pub protocol: u32,
    pub user_id: UserId,
    pub session_id: SessionId,
    /// Names this history: another one means that the client starts over.
    pub epoch: &'a str,
    /// Number of the user's last private change.
    pub me: i64,
    /// How often the hub pings.
    pub heartbeat_ms: u128,
}

/// `presence_state`: who is online now, of those one may see.
#[derive(Serialize, JsonSchema)]
pub struct PresenceState<'a> {
    pub online: &'a [UserId],
}

/// `user_online_status`.
#[derive(Serialize, JsonSchema)]
pub struct OnlineStatus {
    pub user_id: UserId,
    pub is_online: bool,
    pub last_seen_at: Option<Timestamp>,
}

/// `typing_indicator`.
#[derive(Serialize, JsonSchema)]
pub struct Typing {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<UserId>,
    pub is_typing: bool,
}

/// `viewing`.
#[derive(Serialize, JsonSchema)]
pub struct Viewing {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub is_viewing: bool,
}

/// `private_message`.
#[derive(Serialize, JsonSchema)]
pub struct PrivateMessage<'a> {
    pub conversation_id: ConversationId,
    pub rev: Rev,
    pub sender_id: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<UserId>,
    pub message: &'a MessageView,
}

/// `message_edited`, `message_deleted`: the message as it is now.
#[derive(Serialize, JsonSchema)]
pub struct MessageChange<'a> {
    pub conversation_id: ConversationId,
    pub rev: Rev,
    pub message: &'a MessageView,
}

/// `message_reaction`.
#[derive(Serialize, JsonSchema)]
pub struct ReactionChange<'a> {
    #[serde(flatten)]
    pub change: MessageChange<'a>,
    pub emoji: &'a str,
    pub user_id: UserId,
    /// False: taken back.
    pub on: bool,
}

/// `skip`: a change that one may not see; the number moves on.
#[derive(Serialize, JsonSchema)]
pub struct Skip {
    pub conversation_id: ConversationId,
    pub rev: Rev,
}

/// `conversation_update`.
#[derive(Serialize, JsonSchema)]
pub struct ConversationUpdate<'a> {
    pub conversation_id: ConversationId,
    pub rev: Rev,
    /// Null for who was removed.
    pub conversation: Option<&'a ConversationView>,
}

/// `message_delivered`, `message_read`, `conversation_read`: a shared position
/// moved.
#[derive(Serialize, JsonSchema)]
pub struct Receipt {
    pub conversation_id: ConversationId,
    pub rev: Rev,
    pub user_id: UserId,
    pub seq: Seq,
    /// The message with that `seq`.
    pub message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
}

/// `me_update`: what the user alone sees changed; only what changed is there.
#[derive(Default, Serialize, JsonSchema)]
pub struct MeUpdate<'a> {
    pub me: i64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub blocks: &'a [TieView],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub contacts: &'a [TieView],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub conversations: &'a [OwnPlaceView],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub hidden: &'a [MessageId],
}

/// `unread_count_update`.
#[derive(Serialize, JsonSchema)]
pub struct UnreadUpdate<'a> {
    /// The last of the conversations that changed.
    pub conversation_id: ConversationId,
    /// Counted up to 1,000 for each conversation, so 1,000 stands for 1,000 or more.
    pub unread_count: i64,
    pub total_unread: i64,
    /// There where a conversation has 1,000 or more: then the totals may be too low.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_capped: bool,
    /// By platform.
    pub unread_counts: &'a BTreeMap<String, i64>,
    /// Every conversation that changed since the last such frame.
    #[schemars(schema_with = "by_id::<i64>")]
    pub conversations: &'a BTreeMap<ConversationId, i64>,
}

/// `system` with event `resync`: something may have been missed; run `sync`.
#[derive(Serialize, JsonSchema)]
pub struct Resync {
    #[schemars(extend("const" = "resync"))]
    pub event: &'static str,
    pub message: &'static str,
}
