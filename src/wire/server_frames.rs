//! Server frames: the body of each frame, and the table that describes all of them.

use super::{ConversationView, Encoded, MAX_REF_CHARS, MessageView, OwnStateView, RelationChangeView};
use crate::error::{Code, Error};
use crate::ids::{ConversationId, MessageId, Rev, Seq, SessionId, Timestamp, UserId};
use crate::schema::{SchemaOf, by_id, schema_of};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Every server frame except `ack`: its type and its possible bodies.
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

/// `error`: the hub refused a frame.
#[derive(Serialize, JsonSchema)]
pub struct Refusal<'a> {
    #[schemars(extend("enum" = Code::ALL.map(|code| code.meaning().name)))]
    pub code: &'static str,
    pub message: &'a str,
    /// The `ref` of the refused frame; absent when that frame had none.
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

/// `authenticated`: the user that this socket belongs to.
#[derive(Serialize, JsonSchema)]
pub struct Authenticated<'a> {
    pub user_id: UserId,
    pub username: &'a str,
    pub display_name: &'a str,
    pub email: Option<&'a str>,
    /// Time at which the socket closes unless it is renewed. Null: the socket ends with the login.
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
    /// Id of the database history. When it changes, the client must discard its data and start
    /// over.
    pub epoch: &'a str,
    /// Number of the user's latest private change.
    pub me: i64,
    /// Interval between two pings of the hub, in milliseconds.
    pub heartbeat_ms: u128,
}

/// `presence_state`: the users who are online now and whose presence the client may see.
#[derive(Serialize, JsonSchema)]
pub struct PresenceState<'a> {
    pub online: &'a [UserId],
}

/// `user_online_status`: a user goes online or offline.
#[derive(Serialize, JsonSchema)]
pub struct OnlineStatus {
    pub user_id: UserId,
    pub is_online: bool,
    pub last_seen_at: Option<Timestamp>,
}

/// `typing_indicator`: a user starts, continues or stops typing.
#[derive(Serialize, JsonSchema)]
pub struct Typing {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<UserId>,
    pub is_typing: bool,
}

/// `viewing`: a user starts or stops viewing a conversation.
#[derive(Serialize, JsonSchema)]
pub struct Viewing {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub is_viewing: bool,
}

/// `private_message`: a new message.
#[derive(Serialize, JsonSchema)]
pub struct PrivateMessage<'a> {
    pub conversation_id: ConversationId,
    pub rev: Rev,
    pub sender_id: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<UserId>,
    pub message: &'a Encoded<MessageView>,
}

/// `message_edited`, `message_deleted`: the message in its current state.
#[derive(Serialize, JsonSchema)]
pub struct MessageChange<'a> {
    pub conversation_id: ConversationId,
    pub rev: Rev,
    pub message: &'a Encoded<MessageView>,
}

/// `message_reaction`: a user adds or removes a reaction.
#[derive(Serialize, JsonSchema)]
pub struct ReactionChange<'a> {
    #[serde(flatten)]
    pub change: MessageChange<'a>,
    pub emoji: &'a str,
    pub user_id: UserId,
    /// False when the reaction is removed.
    pub on: bool,
}

/// `skip`: a change that the client may not see. Only the `rev` of the conversation advances.
#[derive(Serialize, JsonSchema)]
pub struct Skip {
    pub conversation_id: ConversationId,
    pub rev: Rev,
}

/// `conversation_update`: the conversation changed.
#[derive(Serialize, JsonSchema)]
pub struct ConversationUpdate<'a> {
    pub conversation_id: ConversationId,
    pub rev: Rev,
    /// Null for a user who was removed from the conversation.
    pub conversation: Option<&'a ConversationView>,
}

/// `message_delivered`, `message_read`, `conversation_read`: a position that others see moved.
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

/// `me_update`: a change that only the user sees. It contains only the changed parts.
#[derive(Default, Serialize, JsonSchema)]
pub struct MeUpdate<'a> {
    pub me: i64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub blocks: &'a [RelationChangeView],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub contacts: &'a [RelationChangeView],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub conversations: &'a [OwnStateView],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub hidden: &'a [MessageId],
}

/// `unread_count_update`: unread counts of the user changed.
#[derive(Serialize, JsonSchema)]
pub struct UnreadUpdate<'a> {
    /// The conversation that changed last.
    pub conversation_id: ConversationId,
    /// Counted up to 1,000 for each conversation, so 1,000 means 1,000 or more.
    pub unread_count: i64,
    pub total_unread: i64,
    /// Present when a conversation has 1,000 or more unread messages: the totals may then be too
    /// low.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_capped: bool,
    /// Unread counts by platform.
    pub unread_counts: &'a BTreeMap<String, i64>,
    /// Unread counts of every conversation that changed since the last such frame.
    #[schemars(schema_with = "by_id::<i64>")]
    pub conversations: &'a BTreeMap<ConversationId, i64>,
}

/// `system` with event `resync`: the client may have missed something and must run `sync`.
#[derive(Serialize, JsonSchema)]
pub struct Resync {
    #[schemars(extend("const" = "resync"))]
    pub event: &'static str,
    pub message: &'static str,
}
