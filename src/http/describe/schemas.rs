//! Collects the schemas of a document while the document is built.

use crate::http::call::Keys;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

/// The settings that a description mentions.
pub struct Bounds {
    pub is_https: bool,
    pub max_message_chars: usize,
    pub max_participants: usize,
}

/// Collects the schemas of a document. Input and output differ in which keys may be missing, so
/// each has its own generator.
pub struct Schemas {
    pub read: SchemaGenerator,
    pub written: SchemaGenerator,
}

impl Schemas {
    pub fn new() -> Self {
        let settings = || SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
        Self {
            read: settings().for_deserialize().into_generator(),
            written: settings().for_serialize().into_generator(),
        }
    }

    /// Returns all schemas that were referenced, by name.
    pub fn collected(mut self, bounds: &Bounds) -> Value {
        let mut all = self.written.take_definitions(true);
        all.extend(self.read.take_definitions(true));
        let mut all = Value::Object(all);
        for (pointer, key, bound) in [
            ("/Content", "maxLength", bounds.max_message_chars),
            ("/CreateConversation/properties/participant_ids", "maxItems", bounds.max_participants - 1),
        ] {
            if let Some(schema) = all.pointer_mut(pointer) {
                schema[key] = json!(bound);
            }
        }
        all
    }
}

/// Describes an object with some of the keys of a type. A rule about the keys of the whole type is
/// left out.
pub fn with_keys(keys: &Keys, generator: &mut SchemaGenerator) -> Value {
    let mut schema = (keys.schema)(generator).to_value();
    let has = |name: &str| keys.names.iter().any(|key| key == name);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|name, _| has(name));
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name.as_str().is_some_and(has));
    }
    if let Value::Object(schema) = &mut schema {
        schema.remove("oneOf");
    }
    schema
}

/// Removes the null that stands for a missing value from a schema.
pub fn without_null(schema: Schema) -> Value {
    let mut schema = schema.to_value();
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
    match schema.get_mut("anyOf") {
        Some(Value::Array(any)) => {
            any.retain(|one| one["type"] != "null");
            match any.as_slice() {
                [only] => only.clone(),
                _ => schema,
            }
        }
        _ => schema,
    }
}
