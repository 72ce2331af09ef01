//! A value that is encoded once.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use std::ops::Deref;

/// A value and its JSON. Every frame and answer that contains the value gets a copy of the JSON.
/// Only `serde_json` can write it.
#[derive(Clone, Debug)]
pub struct Encoded<T> {
    value: T,
    json: Box<RawValue>,
}

impl<T: Serialize> Encoded<T> {
    #[expect(clippy::expect_used, reason = "the message is the proof")]
    pub fn new(value: T) -> Self {
        let json = to_raw_value(&value).expect("our shapes have string keys and no failing Serialize");
        Self { value, json }
    }
}

impl<T> Deref for Encoded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Serialize for Encoded<T> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(out)
    }
}

impl<T: JsonSchema> JsonSchema for Encoded<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Timestamp;
    use std::cell::Cell;

    thread_local! {
        static ENCODINGS: Cell<u32> = const { Cell::new(0) };
    }

    struct Counting(&'static str);

    impl Serialize for Counting {
        fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
            ENCODINGS.set(ENCODINGS.get() + 1);
            out.serialize_str(self.0)
        }
    }

    #[derive(Serialize)]
    struct Body<'a> {
        message: &'a Encoded<Counting>,
    }

    #[test]
    fn a_shared_value_is_encoded_only_once() {
        let message = Encoded::new(Counting("a \"quote\""));
        let body = Body { message: &message };
        let frame = crate::wire::encode("private_message", Timestamp::from_millis(0), &body);
        assert!(frame.ends_with(r#""message":"a \"quote\""}"#), "{frame}");
        assert_eq!(crate::wire::json(&body), r#"{"message":"a \"quote\""}"#);
        assert_eq!((ENCODINGS.get(), message.0), (1, "a \"quote\""));
    }
}
