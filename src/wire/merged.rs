//! Parses a request whose keys come from several places: the path, the query string and a JSON
//! body. The result is one value, as if all keys stood in one object.

use super::input::{check_shape, explain, not_json};
use crate::error::Result;
use serde::de::value::{CowStrDeserializer, MapDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A key that is not in the body, and its value.
pub type Given<'a> = (&'a str, Value<'a>);

/// The value of a key that is not in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text of the path or the query string. It is parsed as what the key expects.
    Text(&'a str),
    Bool(bool),
    Null,
}

/// Parses the given keys and the keys of the body. A given key takes precedence over the body's
/// key of the same name, and unknown keys are ignored.
///
/// # Errors
/// `Invalid`, naming the key that is missing, mistyped or out of bounds.
pub fn parse_merged<T: DeserializeOwned>(given: &[Given], body: Option<&[u8]>) -> Result<T> {
    let Some(body) = body else {
        let none = MapDeserializer::new(std::iter::empty::<(&str, &str)>());
        return serde_path_to_error::deserialize(Merged { given, body: none }).map_err(|error| explain(&error));
    };
    check_shape(body)?;
    let mut json = serde_json::Deserializer::from_slice(body);
    let merged = Merged { given, body: &mut json };
    let value = serde_path_to_error::deserialize(merged).map_err(|error| explain(&error))?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

/// An object with the given keys and the keys of the body.
struct Merged<'a, D> {
    given: &'a [Given<'a>],
    body: D,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Merged<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.body.deserialize_map(AddGiven { given: self.given, visitor })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Shows the visitor the given keys first.
struct AddGiven<'a, V> {
    given: &'a [Given<'a>],
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for AddGiven<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, body: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Keys { given: self.given, next: 0, body })
    }
}

struct Keys<'a, A> {
    given: &'a [Given<'a>],
    next: usize,
    body: A,
}

/// The name of a key, borrowed unless it has an escape sequence.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Keys<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        if let Some((key, _)) = self.given.get(self.next) {
            return seed.deserialize(StrDeserializer::new(key)).map(Some);
        }
        while let Some(Key(key)) = self.body.next_key()? {
            if self.given.iter().all(|(given, _)| *given != key) {
                return seed.deserialize(CowStrDeserializer::new(key)).map(Some);
            }
            self.body.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let Some((_, value)) = self.given.get(self.next) else { return self.body.next_value_seed(seed) };
        self.next += 1;
        seed.deserialize(GivenValue(*value, PhantomData))
    }
}

struct GivenValue<'a, E>(Value<'a>, PhantomData<E>);

impl<'de, E: Error> Deserializer<'de> for GivenValue<'_, E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Value::Text(text) => visitor.visit_str(text),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Null => visitor.visit_unit(),
        }
    }

    /// Only digits are a number, with a minus sign if it is negative.
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Value::Text(text) if !text.starts_with('+') => match text.parse() {
                Ok(number) => visitor.visit_i64(number),
                Err(_) => visitor.visit_str(text),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Value::Text("true") => visitor.visit_bool(true),
            Value::Text("false") => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        match self.0 {
            Value::Text(text) => StrDeserializer::new(text).deserialize_enum(name, variants, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Sample {
        user_id: UserId,
        #[serde(default)]
        content: Option<String>,
        #[serde(default)]
        limit: Option<i64>,
        #[serde(default)]
        is_on: Option<bool>,
        #[serde(default)]
        r#for: Option<Whom>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Whom {
        Everyone,
        Me,
    }

    fn text<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<Given<'a>> {
        pairs.iter().map(|(key, value)| (*key, Value::Text(value))).collect()
    }

    fn refusal(given: &[(&str, &str)], body: Option<&str>) -> String {
        let outcome = parse_merged::<Sample>(&text(given), body.map(str::as_bytes));
        outcome.unwrap_err().detail().into_owned()
    }

    #[test]
    fn text_values_are_parsed_as_their_key_expects() {
        let given = text(&[("user_id", "7"), ("content", "7"), ("limit", "-7"), ("is_on", "true"), ("for", "me")]);
        let expected = Sample {
            user_id: UserId::new(7),
            content: Some("7".into()),
            limit: Some(-7),
            is_on: Some(true),
            r#for: Some(Whom::Me),
        };
        assert_eq!(parse_merged::<Sample>(&given, None).unwrap(), expected);
    }

    #[test]
    fn given_keys_take_precedence_over_the_body() {
        let body = br#" {"content": "hi", "user_id": 8, "limi\u0074": 5, "user_id": "x", "is_on": true} "#;
        let given = [("user_id", Value::Text("7")), ("is_on", Value::Bool(false)), ("for", Value::Null)];
        let merged: Sample = parse_merged(&given, Some(body)).unwrap();
        let expected = Sample {
            user_id: UserId::new(7),
            content: Some("hi".into()),
            limit: Some(5),
            is_on: Some(false),
            r#for: None,
        };
        assert_eq!(merged, expected);
    }

    #[test]
    fn an_error_names_the_key_and_what_it_must_be() {
        let id = "user_id must be an integer from 1 to 2^53-1";
        for bad in ["0", "-1", "+1", "", " 1", "1.5", "x", "9007199254740992", "99999999999999999999"] {
            assert_eq!(refusal(&[("user_id", bad)], None), id, "{bad}");
            assert_eq!(refusal(&[("user_id", bad)], Some("{}")), id, "{bad}");
        }
        for (key, value, expected) in [
            ("limit", "many", "limit must be an integer"),
            ("limit", "+5", "limit must be an integer"),
            ("is_on", "yes", "is_on must be a boolean"),
            ("for", "us", "for must be `everyone` or `me`"),
        ] {
            assert_eq!(refusal(&[("user_id", "7"), (key, value)], None), expected);
        }
        assert_eq!(refusal(&[], None), "user_id is missing");
        assert_eq!(refusal(&[], Some("{}")), "user_id is missing");
    }

    #[test]
    fn a_body_is_as_strict_as_without_given_keys() {
        let given = [("user_id", "7")];
        for (body, expected) in [
            ("[7]", "the body must be a JSON object"),
            ("7", "the body must be a JSON object"),
            (r#"{"content": 5}"#, "content must be a string"),
            (r#"{"content": "a", "content": "b"}"#, "content must not appear twice"),
        ] {
            assert_eq!(refusal(&given, Some(body)), expected, "{body}");
        }
        for body in ["", "{", "{} {}", r#"{"user_id": nonsense}"#, r#"{"user_id": 1"#] {
            assert!(refusal(&given, Some(body)).contains("not JSON"), "{body}");
        }
        let deep = format!("{}{}", r#"{"a":"#.repeat(17), "}".repeat(17));
        assert_eq!(refusal(&given, Some(&deep)), "the body must not be nested more than 16 levels deep");
    }
}
