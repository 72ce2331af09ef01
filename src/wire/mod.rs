//! The wire format: frames in and out, the shapes of users, messages and conversations, close
//! codes, and the effects of a commit.
//!
//! This module knows JSON only: no sockets, no database, no decisions. A body is encoded once, and
//! all its recipients share the bytes.

/// The characters of `char::is_whitespace`, for the character class of a pattern.
macro_rules! white_space {
    () => {
        r"\u0009-\u000D\u0020\u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000"
    };
}

/// White space and other characters that show nothing by themselves, for the character class of a
/// pattern. It covers only the first 65,536 characters and leaves out combining marks.
macro_rules! invisible {
    () => {
        concat!(
            white_space!(),
            r"\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E",
            r"\u2060-\u206F\u2800\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB"
        )
    };
}

mod account;
mod close;
mod effect;
mod encoded;
mod input;
mod merged;
mod refused;
mod server_frames;
mod views;

pub use account::{DisplayName, Email, Password, Reason, Title, Username};
pub use close::CloseCode;
pub use effect::{Audience, Effect, TypingEvent, UnreadChange, ViewingEvent};
pub use encoded::Encoded;
pub use input::{Authenticate, ClientMessageId, Content, Emoji, Head, MAX_REF_CHARS, Target, parse};
pub use merged::{Given, Value, parse_merged};
pub use refused::{NoTime, NotKept, TextOnly};
pub use server_frames::{
    Authenticated, ConversationUpdate, MeUpdate, MessageChange, OnlineStatus, Pong, PresenceState, PrivateMessage,
    ReactionChange, Receipt, Resync, SERVER_FRAMES, Skip, Typing, UnreadUpdate, Viewing, Welcome,
};
pub use views::{
    ConversationView, LoginView, MessageView, OwnConversationState, OwnConversationView, OwnStateView, ParticipantView,
    ReactionView, RelationChangeView, ReportView, Status, UserView,
};

use crate::error::Error;
use crate::ids::Timestamp;
use bytestring::ByteString;
use serde::Serialize;
use server_frames::Refusal;

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

/// Encodes one server frame.
pub fn encode<B: Serialize>(kind: &'static str, now: Timestamp, body: &B) -> Frame {
    json(&Envelope { r#type: kind, timestamp: now, body }).into()
}

/// Encodes any wire shape as JSON.
#[expect(clippy::expect_used, reason = "the message is the proof")]
pub fn json<B: Serialize>(body: &B) -> String {
    serde_json::to_string(body).expect("our shapes have string keys and no failing Serialize")
}

/// Encodes the answer to a client frame with a `ref`; `reply` is a JSON object.
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

/// Encodes the answer to a refused frame; it has no `ref` when the frame had none.
pub fn error(reference: Option<&str>, now: Timestamp, error: &Error) -> Frame {
    encode("error", now, &Refusal::of(reference, error, &error.detail()))
}

/// Encodes the answer to a refused `authenticate`.
pub fn auth_error(reference: Option<&str>, now: Timestamp, error: &Error) -> Frame {
    encode("auth_error", now, &Refusal::of(reference, error, &error.detail()))
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
    fn an_ack_contains_the_ref_and_the_reply_fields() {
        let empty = ack("a\"1", NOW, "{}");
        assert_eq!(value(&empty), json!({"type": "ack", "ref": "a\"1", "timestamp": "2026-01-31T12:00:00.000Z"}));
        let full = ack("7", NOW, r#"{"message":{"id":1},"duplicate":true}"#);
        assert_eq!(
            value(&full),
            json!({"type": "ack", "ref": "7", "timestamp": "2026-01-31T12:00:00.000Z", "message": {"id": 1}, "duplicate": true})
        );
    }

    #[test]
    fn an_error_contains_its_code_and_retry_time() {
        let frame =
            error(Some("r"), NOW, &Error::RateLimited { limit: "FRAME_RATE", retry_in: Duration::from_millis(250) });
        assert_eq!(value(&frame)["code"], "rate_limited");
        assert_eq!(value(&frame)["retry_in_ms"], 250);
        assert_eq!(value(&frame)["ref"], "r");
        assert!(value(&error(None, NOW, &Error::BadHost(String::new()))).get("ref").is_none());
    }
}
