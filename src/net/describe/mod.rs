//! What the hub says of itself to machines: made once, of the same types and
//! tables that the hub works with, and served to anybody.

mod asyncapi;
mod openapi;

pub use asyncapi::document as asyncapi;

use super::Net;
use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

/// Settings that a description tells of.
pub struct Bounds {
    pub is_https: bool,
    pub max_message_chars: usize,
    pub max_participants: usize,
}

/// The documents, encoded.
pub struct Descriptions {
    asyncapi: Bytes,
    openapi: Bytes,
}

impl Descriptions {
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            asyncapi: asyncapi::document(bounds).to_string().into(),
            openapi: openapi::document(&super::calls::calls(), bounds).to_string().into(),
        }
    }
}

/// A description, as a call gives it.
#[derive(JsonSchema)]
pub struct Document {}

/// `GET /api/openapi.json`.
pub async fn calls(net: web::Data<Net>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(net.descriptions.openapi.clone())
}

/// `GET /api/asyncapi.json`.
pub async fn socket(net: web::Data<Net>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(net.descriptions.asyncapi.clone())
}

/// Collects the schemas of a document. What the hub reads and what it writes
/// differ in what may be missing, so each has a generator.
struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
        Self {
            read: settings().for_deserialize().into_generator(),
            written: settings().for_serialize().into_generator(),
        }
    }

    /// All that was referred to, by name.
    fn collected(mut self, bounds: &Bounds) -> Value {
        let mut all = self.written.take_definitions(true);
        all.extend(self.read.take_definitions(true));
        let mut all = Value::Object(all);
        for (place, key, bound) in [
            ("/Content", "maxLength", bounds.max_message_chars),
            ("/CreateConversation/properties/participant_ids", "maxItems", bounds.max_participants - 1),
        ] {
            if let Some(schema) = all.pointer_mut(place) {
                schema[key] = json!(bound);
            }
        }
        all
    }
}

/// A schema without the null that stands for "not there" in JSON.
fn without_null(schema: Schema) -> Value {
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
