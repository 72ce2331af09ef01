//! The calls described in OpenAPI 3.1. Its schemas are the JSON Schemas of the types.

use super::schemas::{Bounds, Schemas, with_keys, without_null};
use crate::error::Code;
use crate::http::call::{Body, Call, Who, path_keys};
use crate::http::credential::cookie_name;
use crate::http::problem;
use crate::schema::SchemaOf;
use actix_web::http::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Error codes by status.
type Refusals = BTreeMap<u16, Vec<Code>>;

pub fn document(calls: &[Call], bounds: &Bounds) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    let mut refusals = Map::new();
    for call in calls {
        let path = paths.entry(call.path).or_insert_with(|| json!({}));
        path[call.method.as_str().to_lowercase()] = operation(call, &mut schemas, &mut refusals);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Switchboard",
            "description": "A private-messaging hub. The socket is described in /api/asyncapi.json.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.collected(bounds),
            "responses": refusals,
            "securitySchemes": {
                "cookie": {"type": "apiKey", "in": "cookie", "name": cookie_name(bounds.is_https)},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    })
}

fn operation(call: &Call, schemas: &mut Schemas, named: &mut Map<String, Value>) -> Value {
    let mut answers = Map::new();
    for (status, codes) in refusals(call) {
        let name = name(status, &codes);
        answers.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{name}")}));
        named.entry(name).or_insert_with(|| refusal(status, &codes, schemas));
    }
    for (status, schema) in &call.answers {
        answers.insert(status.to_string(), answer(*status, *schema, schemas));
    }
    let security: Vec<Value> = call.input.who.iter().map(scheme).collect();
    let mut operation = json!({
        "operationId": call.name,
        "summary": call.summary,
        "security": security,
        "parameters": parameters(call, schemas),
        "responses": answers,
    });
    if let Some(body) = &call.input.body {
        let schema = match body {
            Body::Whole(schema) => schema(&mut schemas.read).to_value(),
            Body::Some(keys) => with_keys(keys, &mut schemas.read),
        };
        operation["requestBody"] = json!({
            "required": call.input.needs_body,
            "content": {"application/json": {"schema": schema}},
        });
    }
    operation
}

fn scheme(who: &Who) -> Value {
    match who {
        Who::Cookie => json!({"cookie": []}),
        Who::Bearer => json!({"bearer": []}),
        // No security scheme.
        Who::Body => json!({}),
    }
}

/// Describes the parameters of the path and of the query. The parameters of a path are ids, except
/// for an emoji.
fn parameters(call: &Call, schemas: &mut Schemas) -> Vec<Value> {
    let mut all: Vec<Value> = path_keys(call.path)
        .map(|name| {
            let schema = match name {
                "emoji" => schemas.read.subschema_for::<crate::wire::Emoji>(),
                _ => schemas.read.subschema_for::<crate::ids::UserId>(),
            };
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect();
    let Some(keys) = &call.query else { return all };
    let mut schema = with_keys(keys, &mut schemas.read);
    for name in &keys.names {
        let is_required = schema["required"].as_array().is_some_and(|required| required.contains(&json!(name)));
        let schema = schema["properties"][name].take().try_into().unwrap_or_default();
        let schema = without_null(schema);
        all.push(json!({"name": name, "in": "query", "required": is_required, "schema": schema}));
    }
    all
}

/// Returns the errors of any call of this form, and the errors of this call.
fn refusals(call: &Call) -> Refusals {
    let mut all = Refusals::new();
    let mut add = |status: u16, code: Code| all.entry(status).or_default().push(code);
    let is_safe = call.method == Method::GET;
    for (holds, status, code) in [
        (call.path.contains('{') || call.query.is_some() || call.input.body.is_some(), 400, Code::Invalid),
        (!call.input.who.is_empty(), 401, Code::Unauthenticated),
        (!is_safe, 403, Code::BadOrigin),
        (call.input.body.is_some(), 408, Code::Invalid),
        (call.input.body.is_some(), 413, Code::TooLarge),
        (call.input.body.is_some(), 415, Code::Invalid),
        (true, 421, Code::BadHost),
        (true, 429, Code::RateLimited),
        (true, 431, Code::TooLarge),
        (true, 500, Code::Internal),
        (true, 503, Code::Unavailable),
    ] {
        if holds {
            add(status, code);
        }
    }
    call.refusals.iter().for_each(|code| add(code.meaning().http_status, *code));
    all
}

/// Returns the component name of an error answer: `403_bad_origin_forbidden`.
fn name(status: u16, codes: &[Code]) -> String {
    codes.iter().fold(status.to_string(), |name, code| format!("{name}_{}", code.meaning().name))
}

fn refusal(status: u16, codes: &[Code], schemas: &mut Schemas) -> Value {
    let names: Vec<_> = codes.iter().map(|code| code.meaning().name).collect();
    let header = |what: &str, schema: Value| json!({"description": what, "required": true, "schema": schema});
    let headers = match status {
        401 if codes.contains(&Code::Unauthenticated) && codes.len() == 1 => {
            json!({"WWW-Authenticate": header("How to log in", json!({"type": "string"}))})
        }
        429 | 503 => json!({"Retry-After": header("Seconds", json!({"type": "integer", "minimum": 1}))}),
        _ => json!({}),
    };
    let schema = json!({
        "allOf": [schemas.written.subschema_for::<problem::Body>()],
        "properties": {"status": {"const": status}, "code": {"enum": names}},
    });
    json!({
        "description": names.join(", "),
        "headers": headers,
        "content": {"application/problem+json": {"schema": schema}},
    })
}

fn answer(status: u16, schema: Option<SchemaOf>, schemas: &mut Schemas) -> Value {
    let description = match status {
        200 => "Done",
        201 => "Made",
        204 => "Done; the response is empty",
        _ => "Not now",
    };
    match schema {
        None => json!({"description": description}),
        Some(schema) => json!({
            "description": description,
            "content": {"application/json": {"schema": schema(&mut schemas.written)}},
        }),
    }
}
