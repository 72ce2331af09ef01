//! What the JSON Schemas of several types have in common. The schemas
//! themselves are derived, each where its type is.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// A schema, made by whoever writes the document it is part of.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

pub fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// An object whose keys are ids. The pattern leaves out the last 7 of 9,007
/// million million, which nothing will ever have.
pub fn by_id<V: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "patternProperties": {"^([1-9][0-9]{0,14}|[1-8][0-9]{15})$": generator.subschema_for::<V>()},
        "additionalProperties": false,
    })
}

/// Exactly one of these integers is there; null is as good as nothing.
pub fn one_of(keys: [&'static str; 2]) -> impl Fn(&mut Schema) {
    let [first, second] = keys;
    let only = |there: &str, missing: &str| {
        json!({
            "required": [there],
            "properties": {there: {"type": "integer"}, missing: {"type": "null"}},
        })
    };
    let either: Value = json!([only(first, second), only(second, first)]);
    move |schema| {
        schema.insert("oneOf".to_owned(), either.clone());
    }
}
