//! A call that runs one operation. The keys of the path, of the query string and of the body
//! become the fields of the operation, and its output becomes the answer.

use super::call::{Body, Call, Input, Keys, Who, path_keys, route};
use super::extract::identity::find_caller;
use super::extract::input::{json_bytes, optional_json_bytes, query_pairs};
use super::problem::Answer;
use super::state::HttpState;
use crate::error::Code;
use crate::ops::op::{Done, Op};
use crate::schema::{SchemaOf, schema_of};
use crate::wire::{Given, Value, parse_merged};
use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::TypeId;
use std::rc::Rc;

/// Begins a call that runs the operation `O`. The parts of the path are keys of `O`. GET and DELETE
/// take the other keys from the query string, and other methods from the body.
pub fn runs<O>(method: Method, path: &'static str, summary: &'static str) -> OperationCall<O>
where
    O: Op + DeserializeOwned + JsonSchema,
    O::Output: Serialize + JsonSchema,
{
    let (name, has_body) = (O::NAME, !matches!(method, Method::GET | Method::DELETE));
    OperationCall { method, path, summary, name, fixed: Vec::new(), has_body, existed: None, audit: None }
}

/// A call that runs `O`, until all its parts are known.
pub struct OperationCall<O: Op> {
    method: Method,
    path: &'static str,
    summary: &'static str,
    name: &'static str,
    fixed: Vec<Given<'static>>,
    has_body: bool,
    existed: Option<fn(&O::Output) -> bool>,
    audit: Option<AuditLine<O>>,
}

impl<O> OperationCall<O>
where
    O: Op + DeserializeOwned + JsonSchema,
    O::Output: Serialize + JsonSchema,
{
    /// Fixes the value of a key. The client's value is ignored.
    pub fn with(mut self, key: &'static str, value: Value<'static>) -> Self {
        self.fixed.push((key, value));
        self
    }

    /// Reads no body, because the path has all the keys.
    pub fn without_body(self) -> Self {
        Self { has_body: false, ..self }
    }

    /// Names the call. Without this it has the name of the operation.
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Answers 201 for something new, and 200 for something that existed.
    pub fn creates_unless(self, existed: fn(&O::Output) -> bool) -> Self {
        Self { existed: Some(existed), ..self }
    }

    /// Writes a line to the audit log when the operation succeeds.
    pub fn audited(self, line: fn(&O, &O::Output) -> String) -> Self
    where
        O: Clone,
    {
        Self { audit: Some(AuditLine { line, copy: O::clone }), ..self }
    }

    /// Completes a call without error codes besides the usual ones.
    pub fn done(self) -> Call {
        self.refuses(&[])
    }

    /// Completes a call with these error codes besides the usual ones.
    pub fn refuses(self, refusals: &'static [Code]) -> Call {
        let Self { method, path, summary, name, fixed, has_body, existed, audit } = self;
        let schema = O::json_schema(&mut SchemaGenerator::default()).to_value();
        let is_free = |key: &str| path_keys(path).all(|part| part != key) && fixed.iter().all(|(name, _)| *name != key);
        let all: Vec<&String> = schema["properties"].as_object().into_iter().flat_map(|keys| keys.keys()).collect();
        let names: Vec<String> = all.iter().filter(|key| is_free(key)).map(|key| (*key).clone()).collect();
        let mut required = schema["required"].as_array().into_iter().flatten().filter_map(|key| key.as_str());
        let is_required = required.any(is_free);
        let is_whole = names.len() == all.len();
        let is_empty = names.is_empty();
        let keys = Keys { schema: O::json_schema, names };

        let mut input = Input { who: &[Who::Cookie, Who::Bearer], body: None, needs_body: is_required };
        let mut query = None;
        match has_body {
            false => query = (!is_empty).then_some(keys),
            true if is_whole => input.body = Some(Body::Whole(schema_of::<O>)),
            true => input.body = Some(Body::Some(keys)),
        }
        let body = match (&input.body, is_required) {
            (None, _) => BodyIs::Ignored,
            (Some(_), false) => BodyIs::Optional,
            (Some(_), true) => BodyIs::Required,
        };
        let output = Some(schema_of::<O::Output> as SchemaOf);
        let answers = match existed {
            _ if is_done::<O>() => vec![(204, None)],
            Some(_) => vec![(201, output), (200, output)],
            None => vec![(200, output)],
        };
        let has_query = query.is_some();
        let handler = Rc::new(Handler { path, fixed, has_query, body, existed, audit });
        let handler = move |state: web::Data<HttpState>, request: HttpRequest, payload: web::Payload| {
            let handler = Rc::clone(&handler);
            async move { handler.answer(&state, &request, payload).await }
        };
        Call {
            has_head: method == Method::GET,
            route: route(&method).to(handler),
            method,
            path,
            name,
            summary,
            input,
            query,
            answers,
            refusals,
        }
    }
}

/// The audit line of a call, made from the operation and its output.
struct AuditLine<O: Op> {
    line: fn(&O, &O::Output) -> String,
    copy: fn(&O) -> O,
}

fn is_done<O: Op>() -> bool {
    TypeId::of::<O::Output>() == TypeId::of::<Done>()
}

/// Whether the body has keys of the operation.
enum BodyIs {
    Ignored,
    Optional,
    Required,
}

struct Handler<O: Op> {
    path: &'static str,
    fixed: Vec<Given<'static>>,
    has_query: bool,
    body: BodyIs,
    existed: Option<fn(&O::Output) -> bool>,
    audit: Option<AuditLine<O>>,
}

impl<O> Handler<O>
where
    O: Op + DeserializeOwned,
    O::Output: Serialize,
{
    async fn answer(&self, state: &HttpState, request: &HttpRequest, payload: web::Payload) -> Answer {
        let mut payload = payload.into_inner();
        let body = match self.body {
            BodyIs::Ignored => None,
            BodyIs::Optional => optional_json_bytes(request, &mut payload).await?,
            BodyIs::Required => Some(json_bytes(request, &mut payload).await?),
        };
        // The caller is authenticated after the body is read, so that a slow body is refused if its
        // sender logs out meanwhile.
        let caller = find_caller(request).await?;
        let query = if self.has_query { query_pairs(request)? } else { Default::default() };
        let path = path_keys(self.path).map(|key| (key, Value::Text(request.match_info().query(key))));
        let mut given: Vec<Given> = path.chain(self.fixed.iter().copied()).collect();
        for (key, text) in &query {
            if given.iter().all(|(name, _)| name != key) {
                given.push((key, Value::Text(text)));
            }
        }
        let op: O = parse_merged(&given, body.as_deref())?;
        let audited = self.audit.as_ref().map(|audit| (audit.line, (audit.copy)(&op)));
        let output = state.dispatcher.call(caller, op).await?;
        if let Some((line, op)) = audited {
            state.audit_event(request, &line(&op, &output), caller.user_id);
        }
        let is_new = self.existed.is_some_and(|existed| !existed(&output));
        Ok(match is_new {
            _ if is_done::<O>() => HttpResponse::NoContent().finish(),
            true => HttpResponse::Created().json(output),
            false => HttpResponse::Ok().json(output),
        })
    }
}
