//! What goes over the wire: frames in and out, the shapes of users, messages
//! and conversations, close codes; and the events that a commit leads to.
//!
//! Knows JSON and nothing else: no sockets, no database, no decisions. A body
//! is encoded once and its bytes shared by everybody who gets it.

/// What `char::is_whitespace` says, for the character class of a pattern.
macro_rules! white_space {
    () => {
        r"\u0009-\u000D\u0020\u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000"
    };
}

mod account;
mod close;
mod event;
mod input;
mod views;

pub use account::{DisplayName, Email, Password, Reason, Title, Username};
pub use close::CloseCode;
pub use event::{Audience, Event, TypingEvent, ViewingEvent};
pub use input::{ClientMessageId, Content, Emoji, Head, MAX_REF_CHARS, Target, parse};
pub use views::{
    ConversationView, LoginView, MessageView, OwnConversationView, OwnPlace, OwnPlaceView, ParticipantView,
    ReactionView, ReportView, Status, TieView, UserView,
};

use crate::error::Error;
use crate::ids::{ConversationId, MessageId, Rev, Seq, SessionId, Timestamp, UserId};
use crate::schema::by_id;
use bytestring::ByteString;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// An encoded frame for a client; cloning shares the bytes.
pub type Frame = ByteString;

/// The version of the protocol that `welcome` names.
pub const PROTOCOL: u32 = 1;

#[derive(Serialize)]
struct Envelope<'a, B> {
    r#type: &'static str,
    timestamp: Timestamp,
    #[serde(flatten)]
    body: &'a B,
}

/// Encodes one frame of the server.
pub fn encode<B: Serialize>(kind: &'static str, now: Timestamp, body: &B) -> Frame {
    json(&Envelope { r#type: kind, timestamp: now, body }).into()
}

/// Any of our shapes as JSON.
#[expect(clippy::expect_used, reason = "the message is the proof")]
pub fn json<B: Serialize>(body: &B) -> String {
    serde_json::to_string(body).expect("our shapes have string keys and no failing Serialize")
}

/// The answer to a client frame with a `ref`; `reply` is a JSON object.
pub fn ack(reference: &str, now: Timestamp, reply: &str) -> Frame {
    #[derive(Serialize)]
    struct Ack<'a> {
        r#type: &'static str,
        r#ref: &'a str,
        timestamp: Timestamp,
    }
    let mut frame = json(&Ack { r#type: "ack", r#ref: reference, timestamp: now });
    if let Some(members) = reply.strip_prefix('{').filter(|members| *members != "}") {
        frame.pop();
        frame.push(',');
        frame.push_str(members);
    }
    frame.into()
}

/// The answer to a frame that was refused; without a `ref` when there was none.
pub fn error(reference: Option<&str>, now: Timestamp, error: &Error) -> Frame {
    #[derive(Serialize)]
    struct Body<'a> {
        code: &'static str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_in_ms: Option<u128>,
    }
    let body = Body {
        code: error.code().meaning().name,
        message: &error.detail(),
        r#ref: reference,
        retry_in_ms: error.retry_in().map(|wait| wait.as_millis()),
    };
    encode("error", now, &body)
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
    pub unread_count: i64,
    pub total_unread: i64,
    /// By platform.
    pub unread_counts: &'a BTreeMap<String, i64>,
    /// Every conversation that changed since the last such frame.
    #[schemars(schema_with = "by_id::<i64>")]
    pub conversations: &'a BTreeMap<ConversationId, i64>,
}

/// `system` with event `resync`: something may have been missed; run `sync`.
#[derive(Serialize, JsonSchema)]
pub struct Resync {
    pub event: &'static str,
    pub message: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);

    fn value(frame: &Frame) -> Value {
        serde_json::from_str(frame).unwrap()
    }

    #[test]
    fn an_ack_carries_the_ref_and_the_members_of_the_reply() {
        let empty = ack("a\"1", NOW, "{}");
        assert_eq!(value(&empty), json!({"type": "ack", "ref": "a\"1", "timestamp": "2026-01-31T12:00:00.000Z"}));
        let full = ack("7", NOW, r#"{"message":{"id":1},"duplicate":true}"#);
        assert_eq!(
            value(&full),
            json!({"type": "ack", "ref": "7", "timestamp": "2026-01-31T12:00:00.000Z", "message": {"id": 1}, "duplicate": true})
        );
    }

    #[test]
    fn an_error_names_its_code_and_when_to_come_back() {
        let frame = error(Some("r"), NOW, &Error::RateLimited { retry_in: Duration::from_millis(250) });
        assert_eq!(value(&frame)["code"], "rate_limited");
        assert_eq!(value(&frame)["retry_in_ms"], 250);
        assert_eq!(value(&frame)["ref"], "r");
        assert!(value(&error(None, NOW, &Error::BadHost)).get("ref").is_none());
    }
}
