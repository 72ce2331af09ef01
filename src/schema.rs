//! Helpers shared by the JSON Schemas of several types. Each schema itself is derived beside its
//! type.

use crate::ids::MAX_ID;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// A function that builds a schema with the generator of the document that contains it.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

pub fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The schema of an object whose keys are ids.
pub fn by_id<V: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "patternProperties": {from_1_to(MAX_ID): generator.subschema_for::<V>()},
        "additionalProperties": false,
    })
}

/// Returns a pattern of the decimal numbers up to `most`. It matches numbers with fewer digits,
/// numbers that are smaller at one digit and equal before it, and `most` itself.
fn from_1_to(most: i64) -> String {
    let digits = most.to_string();
    let mut numbers = vec![format!("[1-9][0-9]{{0,{}}}", digits.len() - 2)];
    for (at, digit) in digits.bytes().enumerate() {
        let (least, left) = (if at == 0 { b'1' } else { b'0' }, digits.len() - 1 - at);
        if digit > least {
            numbers.push(format!("{}[{}-{}][0-9]{{{left}}}", &digits[..at], least as char, (digit - 1) as char));
        }
    }
    numbers.push(digits);
    format!("^({})$", numbers.join("|"))
}

/// Requires exactly one of these integers to be present; null counts as absent.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_matches_exactly_the_numbers_up_to_the_limit() {
        for most in [12, 90, 105, 999] {
            let schema = json!({"pattern": from_1_to(most)});
            let validator = jsonschema::validator_for(&schema).unwrap();
            let valid = |text: &str| validator.is_valid(&json!(text));
            assert!((1..=most).all(|number| valid(&number.to_string())), "{most}");
            assert!((most + 1..most + 2_000).all(|number| !valid(&number.to_string())), "{most}");
            assert!(["", "0", "01", "-1", "1.0", " 1", "x"].iter().all(|text| !valid(text)));
        }
    }
}
