//! The WebSocket described in AsyncAPI 3.0: every frame the hub accepts, with its answer, and every
//! frame it sends.

use super::schemas::{Bounds, Schemas};
use crate::ids::Timestamp;
use crate::ops::frames::FRAMES;
use crate::ops::op::Done;
use crate::schema::{SchemaOf, schema_of};
use crate::wire::{Authenticate, MAX_REF_CHARS, SERVER_FRAMES};
use serde_json::{Map, Value, json};

/// Builds the AsyncAPI document of the frames. With the default limits it is `docs/asyncapi.json`.
pub fn document(bounds: &Bounds) -> Value {
    let mut document = Document { schemas: Schemas::new(), messages: Map::new(), operations: Map::new() };
    for entry in FRAMES {
        let reply = document.add("ack", entry.kind, |schemas| ack(entry.reply, schemas));
        document.add_client_frame(entry.kind, entry.needs_ref, entry.schema, &[reply, "server.error".to_owned()]);
    }
    let answers = ["server.authenticated".to_owned(), "server.auth_error".to_owned()];
    document.add_client_frame("authenticate", false, schema_of::<Authenticate>, &answers);
    document.add_client_frame("ping", false, schema_of::<Done>, &["server.pong".to_owned()]);
    let mut server_messages = Vec::new();
    for (kind, schemas_of) in SERVER_FRAMES {
        server_messages.push(document.add("server", kind, |schemas| server_frame(kind, schemas_of, schemas)));
    }
    document.operations.insert(
        "hear".to_owned(),
        json!({
            "action": "send",
            "channel": {"$ref": "#/channels/socket"},
            "summary": "Frames from the hub",
            "messages": server_messages.iter().map(|name| on_channel(name)).collect::<Vec<_>>(),
        }),
    );
    let on_socket: Map<String, Value> = document
        .messages
        .keys()
        .map(|name| (name.clone(), json!({"$ref": format!("#/components/messages/{name}")})))
        .collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Switchboard",
            "description": "The socket of a private-messaging hub. The calls over HTTP are described in /api/openapi.json.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": env!("CARGO_PKG_LICENSE")},
        },
        "defaultContentType": "application/json",
        "channels": {"socket": {
            "address": "/ws",
            "description": "RFC 6455; the handshake carries a session cookie or a bearer token",
            "messages": on_socket,
        }},
        "operations": document.operations,
        "components": {"messages": document.messages, "schemas": document.schemas.collected(bounds)},
    })
}

/// The parts of the document that grow with each frame.
struct Document {
    schemas: Schemas,
    messages: Map<String, Value>,
    operations: Map<String, Value>,
}

impl Document {
    fn add(&mut self, side: &str, kind: &str, payload: impl FnOnce(&mut Schemas) -> Value) -> String {
        let name = format!("{side}.{kind}");
        let payload = payload(&mut self.schemas);
        self.messages.insert(name.clone(), json!({"name": kind, "payload": payload}));
        name
    }

    /// Adds a frame that the hub accepts, and the names of its possible answers.
    fn add_client_frame(&mut self, kind: &str, needs_ref: bool, schema: SchemaOf, answers: &[String]) {
        let name = self.add("client", kind, |schemas| asked(kind, needs_ref, schema, schemas));
        self.operations.insert(
            kind.to_owned(),
            json!({
                "action": "receive",
                "channel": {"$ref": "#/channels/socket"},
                "messages": [on_channel(&name)],
                "reply": {
                    "channel": {"$ref": "#/channels/socket"},
                    "messages": answers.iter().map(|name| on_channel(name)).collect::<Vec<_>>(),
                },
            }),
        );
    }
}

fn reference() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": MAX_REF_CHARS})
}

fn on_channel(name: &str) -> Value {
    json!({"$ref": format!("#/channels/socket/messages/{name}")})
}

fn asked(kind: &str, needs_ref: bool, schema: SchemaOf, schemas: &mut Schemas) -> Value {
    let required = if needs_ref { json!(["type", "ref"]) } else { json!(["type"]) };
    json!({
        "allOf": [schema(&mut schemas.read)],
        "type": "object",
        "properties": {"type": {"const": kind}, "ref": reference()},
        "required": required,
    })
}

fn ack(reply: SchemaOf, schemas: &mut Schemas) -> Value {
    json!({
        "allOf": [reply(&mut schemas.written)],
        "type": "object",
        "properties": {
            "type": {"const": "ack"},
            "ref": reference(),
            "timestamp": schemas.written.subschema_for::<Timestamp>(),
        },
        "required": ["type", "ref", "timestamp"],
    })
}

fn server_frame(kind: &str, bodies: &[SchemaOf], schemas: &mut Schemas) -> Value {
    let bodies: Vec<_> = bodies.iter().map(|body| body(&mut schemas.written)).collect();
    json!({
        "oneOf": bodies,
        "type": "object",
        "properties": {"type": {"const": kind}, "timestamp": schemas.written.subschema_for::<Timestamp>()},
        "required": ["type", "timestamp"],
    })
}
