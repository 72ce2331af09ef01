//! Keys that clients of other systems send and that the hub does not support. An unknown key is
//! ignored. One of these keys is refused unless its value means nothing, because its meaning would
//! be lost unnoticed.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;
use std::borrow::Cow;

macro_rules! refused {
    ($(#[$doc:meta])* $name:ident, $schema:tt, $is_harmless:expr, $why:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let is_harmless: fn(&Value) -> bool = $is_harmless;
                match is_harmless(&Value::deserialize(input)?) {
                    true => Ok(Self),
                    false => Err(D::Error::custom($why)),
                }
            }
        }
    };
}

refused!(
    /// `created_at` and other times that the hub sets itself or does not store.
    NoTime,
    {"type": "null"},
    Value::is_null,
    "cannot be chosen by the client; leave it out"
);

refused!(
    /// `message_type`; only the value for text is accepted.
    TextOnly,
    {"enum": ["text", null]},
    |value| value.is_null() || value == "text",
    "must be `text`: clients send no other kind"
);

refused!(
    /// `metadata`, `attachments`, `role` and other keys that the hub does not store.
    NotKept,
    {"enum": [null, [], {}]},
    |value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(keys) => keys.is_empty(),
        _ => false,
    },
    "is not supported and would be lost; leave it out"
);

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    fn takes<T: DeserializeOwned>(value: Value) -> bool {
        serde_json::from_value::<T>(value).is_ok()
    }

    #[test]
    fn empty_values_pass_and_values_that_would_be_lost_fail() {
        assert!(
            takes::<NoTime>(Value::Null)
                && !takes::<NoTime>(json!("1999-01-01T00:00:00Z"))
                && !takes::<NoTime>(json!(0))
        );
        assert!(takes::<TextOnly>(json!("text")) && takes::<TextOnly>(Value::Null));
        assert!(!takes::<TextOnly>(json!("image")) && !takes::<TextOnly>(json!(1)));
        for harmless in [Value::Null, json!([]), json!({})] {
            assert!(takes::<NotKept>(harmless));
        }
        for lost in [json!("x"), json!(0), json!(false), json!([1]), json!({"a": null})] {
            assert!(!takes::<NotKept>(lost));
        }
    }
}
