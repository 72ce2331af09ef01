//! Parses text from clients into checked values. Every error names the key and never repeats the
//! value.

use crate::error::{Error, Result};
use crate::ids::{ConversationId, UserId};
use crate::text::has_visible;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer};
use serde_path_to_error::{Path, Segment};
use std::borrow::Cow;

/// Maximum length of a `ref`, in characters.
pub const MAX_REF_CHARS: usize = 64;

/// Maximum length of one key name in an error; the hub's own names are shorter.
const MAX_NAME_BYTES: usize = 64;

/// Maximum nesting depth of a body, counting the body itself.
const MAX_DEPTH: usize = 16;

/// The keys of the frame `authenticate`.
#[derive(serde::Deserialize, JsonSchema)]
pub struct Authenticate {
    /// An access token of the hub, or a token of the external system.
    pub token: String,
}

/// The keys that every client frame has; the operation defines the rest.
#[derive(serde::Deserialize)]
pub struct Head<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "reference")]
    pub r#ref: Option<Cow<'a, str>>,
    /// The whole frame, whose shape is checked.
    #[serde(skip)]
    text: &'a str,
}

fn reference<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    let text = Cow::<str>::deserialize(input)?;
    let length = text.chars().count();
    if !(1..=MAX_REF_CHARS).contains(&length) {
        return Err(de::Error::custom(format_args!("must have 1 to {MAX_REF_CHARS} characters")));
    }
    Ok(Some(text))
}

impl<'a> Head<'a> {
    pub fn parse(text: &'a str) -> Result<Self> {
        check_shape(text.as_bytes())?;
        Ok(Head { text, ..parse_checked(text.as_bytes())? })
    }

    /// Reads the keys of the frame. Unknown keys are ignored.
    ///
    /// # Errors
    /// The errors of [`parse`].
    pub fn keys<T: DeserializeOwned>(&self) -> Result<T> {
        parse_checked(self.text.as_bytes())
    }
}

/// Checks that the body is an object and is not nested too deep. serde would accept an array as the
/// fields of a struct in order. It would also go 128 levels deep into values that no operation
/// reads.
pub(super) fn check_shape(json: &[u8]) -> Result<()> {
    if json.trim_ascii_start().first() == Some(&b'[') {
        return Err(Error::Invalid("the body must be a JSON object".into()));
    }
    // Counting brackets is faster, and enough for most bodies.
    let brackets = json.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if brackets > MAX_DEPTH && depth(json) > MAX_DEPTH {
        return Err(Error::Invalid(format!("the body must not be nested more than {MAX_DEPTH} levels deep").into()));
    }
    Ok(())
}

/// Returns how deep the brackets outside strings nest. Later parsing rejects text that is not JSON.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut is_string) = (0_usize, 0, false);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_string = !is_string,
            b'\\' if is_string => drop(bytes.next()),
            b'[' | b'{' if !is_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !is_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Reads one JSON object with nothing after it. Unknown keys are ignored.
///
/// # Errors
/// `Invalid`, naming the key that is missing, mistyped or out of bounds.
pub fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    check_shape(json)?;
    parse_checked(json)
}

/// Reads an object whose shape is checked.
fn parse_checked<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T> {
    // Most bodies have no error. Only those with one are read again, to find the path to it, which
    // takes several times as long.
    serde_json::from_slice(json).or_else(|_| parse_with_path(json))
}

fn parse_with_path<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T> {
    let mut json = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| explain(&error))?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

pub(super) fn not_json(error: &serde_json::Error) -> Error {
    Error::Invalid(format!("not JSON: error at line {} column {}", error.line(), error.column()).into())
}

/// Describes a parse error by the expected type and the key only. serde's messages may quote the
/// value, which can be message text.
pub(super) fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    let (cause, key) = (error.inner(), name(error.path()));
    if !cause.is_data() {
        // serde_json reports a broken escape as a syntax error; say where it is.
        return match key {
            None => not_json(cause),
            Some(key) => Error::Invalid(format!("{key}: not JSON: error at column {}", cause.column()).into()),
        };
    }
    let text = cause.to_string();
    // serde_json appends the position to every message.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let about = |prefix: &str| text.strip_prefix(prefix).map(|field| field.trim_matches('`'));
    if let Some(field) = about("missing field ") {
        return Error::Invalid(format!("{field} is missing").into());
    }
    if let Some(field) = about("duplicate field ") {
        return Error::Invalid(format!("{field} must not appear twice").into());
    }
    let what = match text.rsplit_once(", expected ") {
        None => text.to_owned(),
        // serde names a number by its Rust type.
        Some((_, "i64")) => "must be an integer".to_owned(),
        Some((_, what)) => format!("must be {what}"),
    };
    match key {
        None => Error::Invalid("the body must be a JSON object".into()),
        Some(key) => Error::Invalid(format!("{key} {what}").into()),
    }
}

/// Returns the key that a path leads to, up to the first name that does not look like the hub's
/// own. Other names may be long and may contain anything. None means the whole body.
fn name(path: &Path) -> Option<String> {
    let mut name = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => name.push_str(&format!("[{index}]")),
            Segment::Map { key } if is_plain(key) => {
                name.push_str(if name.is_empty() { "" } else { "." });
                name.push_str(key);
            }
            _ => break,
        }
    }
    (!name.is_empty()).then_some(name)
}

fn is_plain(key: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Text that a user wrote: it has a visible character, and no character that one of the databases
/// cannot store. The operation checks its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content(String);

impl Content {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl JsonSchema for Content {
    fn schema_name() -> Cow<'static, str> {
        "Content".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "pattern": concat!(r"^[^\u0000]*[^\u0000", invisible!(), r"][^\u0000]*$"),
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        if text.is_empty() {
            return Err(de::Error::custom("must not be empty"));
        }
        if !has_visible(&text) {
            return Err(de::Error::custom("must have a visible character"));
        }
        if text.contains('\0') {
            // SQLite's length() would stop there, and Postgres refuses it.
            return Err(de::Error::custom("must not contain U+0000"));
        }
        Ok(Self(text))
    }
}

/// The sender's own id for a message: 1–64 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMessageId(String);

impl ClientMessageId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl JsonSchema for ClientMessageId {
    fn schema_name() -> Cow<'static, str> {
        "ClientMessageId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[\u0021-\u007E]*$"})
    }
}

impl<'de> Deserialize<'de> for ClientMessageId {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        if !(1..=64).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(de::Error::custom("must be 1 to 64 visible ASCII characters"));
        }
        Ok(Self(text))
    }
}

/// One emoji in its fully qualified Unicode form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emoji(&'static str);

impl Emoji {
    pub fn as_str(&self) -> &'static str {
        self.0
    }
}

impl JsonSchema for Emoji {
    fn schema_name() -> Cow<'static, str> {
        "Emoji".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "format": "emoji"})
    }
}

impl<'de> Deserialize<'de> for Emoji {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        // Also finds emoji written without their last variation selector.
        let emoji = emojis::get(&String::deserialize(input)?);
        emoji.map(|emoji| Self(emoji.as_str())).ok_or_else(|| de::Error::custom("must be one emoji"))
    }
}

/// The destination of a message or signal: a user, or a conversation that the caller is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Recipient(UserId),
    Conversation(ConversationId),
}

impl Target {
    /// Builds the destination from the two keys, exactly one of which must be present.
    pub fn named(recipient_id: Option<UserId>, conversation_id: Option<ConversationId>) -> Result<Self> {
        match (recipient_id, conversation_id) {
            (Some(user), None) => Ok(Target::Recipient(user)),
            (None, Some(conversation)) => Ok(Target::Conversation(conversation)),
            (None, None) => Err(Error::Invalid("recipient_id or conversation_id is missing".into())),
            (Some(_), Some(_)) => Err(Error::Invalid("send recipient_id or conversation_id, not both".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only parsing is tried")]
    struct Sample {
        to: UserId,
        content: Content,
        #[serde(default)]
        client_message_id: Option<ClientMessageId>,
    }

    fn refusal(json: &str) -> String {
        parse::<Sample>(json.as_bytes()).unwrap_err().detail().into_owned()
    }

    #[test]
    fn an_array_is_not_accepted_as_an_object() {
        assert_eq!(
            Head::parse(r#" ["ping", "7"]"#).err().map(|error| error.detail().into_owned()).as_deref(),
            Some("the body must be a JSON object")
        );
    }

    #[test]
    fn nesting_counts_brackets_outside_strings_only() {
        for (json, expected) in [
            ("7", 0),
            ("{}", 1),
            (r#"{"a":[{}],"b":[[]]}"#, 3),
            (r#"{"a":[],"b":{},"c":[]}"#, 2),
            (r#"{"[[[":"\"[[[\\","b":[]}"#, 2),
            (r#"{"a":"\\\\","b":[[1]]}"#, 3),
            ("]]]{[", 2),
            (r#"{"a":"\"#, 1),
        ] {
            assert_eq!(depth(json.as_bytes()), expected, "{json}");
        }
    }

    #[test]
    fn an_error_names_the_key_and_never_the_value() {
        let long_key = "k".repeat(65);
        for (json, expected) in [
            (r#"{"content":"x"}"#, "to is missing"),
            (r#"{"to":"secret","content":"x"}"#, "to must be an integer from 1 to 2^53-1"),
            (r#"{"to":0,"content":"x"}"#, "to must be an integer from 1 to 2^53-1"),
            (r#"{"to":9007199254740992,"content":"x"}"#, "to must be an integer from 1 to 2^53-1"),
            (r#"{"to":1.5,"content":"x"}"#, "to must be an integer from 1 to 2^53-1"),
            (r#"{"to":1,"content":7}"#, "content must be a string"),
            (r#"{"to":1,"content":""}"#, "content must not be empty"),
            (r#"{"to":1,"content":" \n\t "}"#, "content must have a visible character"),
            (r#"{"to":1,"content":"\u200b\u2800\u3164"}"#, "content must have a visible character"),
            (r#"{"to":1,"content":"a\u0000b"}"#, "content must not contain U+0000"),
            (r#"{"to":1,"content":"x","to":2}"#, "to must not appear twice"),
            (
                r#"{"to":1,"content":"x","client_message_id":"a b"}"#,
                "client_message_id must be 1 to 64 visible ASCII characters",
            ),
            (r#""secret""#, "the body must be a JSON object"),
            (r#" [1,"secret",null]"#, "the body must be a JSON object"),
        ] {
            let detail = refusal(json);
            assert_eq!(detail, expected, "{json}");
        }
        assert!(
            refusal(&format!(r#"{{"to":1,"content":"x","client_message_id":"{long_key}"}}"#))
                .starts_with("client_message_id")
        );
    }

    #[test]
    fn invalid_json_is_refused_with_its_position() {
        for json in ["", "{", "nonsense", r#"{"to":1,"content":"x"} trailing"#, "\u{7f}"] {
            assert!(refusal(json).contains("not JSON"), "{json}: {}", refusal(json));
        }
        let lone = refusal(r#"{"to":1,"content":"\ud800"}"#);
        assert!(lone.contains("content"), "a lone surrogate names its key: {lone}");
    }

    #[test]
    fn an_unsafe_unknown_key_is_not_echoed() {
        let long = "k".repeat(1_000);
        for key in ["secret words", "a\\nb", "schlüssel", "a.b", &long, &"k.".repeat(500)] {
            let detail = refusal(&format!(r#"{{"{key}":nonsense}}"#));
            assert!(detail.starts_with("not JSON: error at line 1 column "), "{key}: {detail}");
        }
        let short = "k".repeat(64);
        assert!(refusal(&format!(r#"{{"{short}":nonsense}}"#)).starts_with(&format!("{short}: not JSON")));
    }

    #[test]
    fn unknown_keys_are_ignored() {
        assert!(parse::<Sample>(br#"{"to":1,"content":"x","seq":9,"sender_id":4}"#).is_ok());
    }

    #[test]
    fn a_ref_has_1_to_64_characters() {
        let head = |reference: &str| Head::parse(&format!(r#"{{"type":"ping","ref":"{reference}"}}"#)).map(|_| ());
        assert!(head("a").is_ok());
        assert!(head(&"ä".repeat(64)).is_ok());
        for bad in [String::new(), "a".repeat(65)] {
            assert!(head(&bad).unwrap_err().detail().starts_with("ref must have"), "{bad}");
        }
        assert!(Head::parse(r#"{"type":"ping","ref":5}"#).is_err());
        assert!(Head::parse(r#"{"type":"ping"}"#).unwrap().r#ref.is_none());
    }

    #[test]
    fn exactly_one_target_must_be_named() {
        let (user, conversation) = (UserId::new(3), ConversationId::new(3));
        assert_eq!(Target::named(Some(user), None).unwrap(), Target::Recipient(user));
        assert_eq!(Target::named(None, Some(conversation)).unwrap(), Target::Conversation(conversation));
        assert!(Target::named(None, None).is_err());
        assert!(Target::named(Some(user), Some(conversation)).is_err());
    }

    proptest! {
        #[test]
        fn in_2_any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse::<Sample>(&bytes);
            if let Ok(text) = std::str::from_utf8(&bytes) {
                let _ = Head::parse(text);
            }
        }

        #[test]
        fn any_text_round_trips_or_is_refused(text in ".{0,80}") {
            let json = serde_json::json!({"to": 1, "content": text}).to_string();
            match parse::<Sample>(json.as_bytes()) {
                Ok(sample) => prop_assert_eq!(sample.content.as_str(), text),
                Err(_) => prop_assert!(!has_visible(&text) || text.contains('\0')),
            }
        }

        #[test]
        fn in_2_any_broken_frame_never_panics(text in r#"\{"type":"[a-z_]{0,12}"(,"[a-z_]{1,9}":("[^"]{0,9}"|[0-9]{1,20}|null|\{\}|\[\])){0,4}\}?"#) {
            let _ = Head::parse(&text);
            let _ = parse::<Sample>(text.as_bytes());
        }
    }
}
