//! One HTTP call: its handler and its description. The routes and `/api/openapi.json` are built
//! from the same list of calls, so both always have the same calls.

use super::extract::identity::{Authenticated, Credential};
use super::extract::input::{AuthedJson, Json, OptionalAuthedJson, OptionalJson};
use super::problem::wrong_method;
use crate::error::Code;
use crate::schema::{SchemaOf, schema_of};
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, HttpRequest, Responder, Route, guard, web};
use schemars::JsonSchema;
use std::collections::BTreeMap;

pub struct Call {
    pub method: Method,
    pub path: &'static str,
    /// The handler's name.
    pub name: &'static str,
    pub summary: &'static str,
    pub input: Input,
    /// The keys that the query string may have.
    pub query: Option<Keys>,
    /// The answers by status. An answer without a body has no schema.
    pub answers: Vec<(u16, Option<SchemaOf>)>,
    /// The error codes besides the usual ones.
    pub refusals: &'static [Code],
    /// Whether the call also answers HEAD.
    pub(super) has_head: bool,
    pub(super) route: Route,
}

/// Some of the keys of a type.
pub struct Keys {
    /// The schema of the type with all its keys, without a name.
    pub schema: SchemaOf,
    pub names: Vec<String>,
}

/// The input of a handler, derived from its arguments.
#[derive(Default)]
pub struct Input {
    /// The credentials that authenticate the call. Empty if the call is public.
    pub who: &'static [Who],
    pub body: Option<Body>,
    pub needs_body: bool,
}

/// The content of a request body.
pub enum Body {
    /// Every key of a type. The schema has a name.
    Whole(SchemaOf),
    Some(Keys),
}

#[derive(Clone, Copy)]
pub enum Who {
    Cookie,
    Bearer,
    Body,
}

/// A type that can be an argument of a handler.
pub trait Argument {
    fn describe(_: &mut Input) {}
}

impl<T> Argument for web::Data<T> {}
impl Argument for HttpRequest {}

impl Argument for Authenticated {
    fn describe(input: &mut Input) {
        input.who = &[Who::Cookie, Who::Bearer];
    }
}

impl Argument for Credential {
    fn describe(input: &mut Input) {
        Authenticated::describe(input);
    }
}

/// The argument of the one call whose body may authenticate it instead of the cookie.
impl<T: JsonSchema> Argument for OptionalJson<T> {
    fn describe(input: &mut Input) {
        Json::<T>::describe(input);
        input.needs_body = false;
        input.who = &[Who::Cookie, Who::Body];
    }
}

impl<T: JsonSchema> Argument for Json<T> {
    fn describe(input: &mut Input) {
        input.body = Some(Body::Whole(schema_of::<T>));
        input.needs_body = true;
    }
}

impl<T: JsonSchema> Argument for AuthedJson<T> {
    fn describe(input: &mut Input) {
        Authenticated::describe(input);
        Json::<T>::describe(input);
    }
}

impl<T: JsonSchema> Argument for OptionalAuthedJson<T> {
    fn describe(input: &mut Input) {
        AuthedJson::<T>::describe(input);
        input.needs_body = false;
    }
}

macro_rules! arguments {
    ($($name:ident)*) => {
        impl<$($name: Argument),*> Argument for ($($name,)*) {
            fn describe(_input: &mut Input) {
                $($name::describe(_input);)*
            }
        }
    };
}
arguments!();
arguments!(A);
arguments!(A B);
arguments!(A B C);
arguments!(A B C D);

macro_rules! methods {
    ($($name:ident $method:ident)*) => {
        $(pub fn $name<F, A>(path: &'static str, handler: F, summary: &'static str) -> Call
        where
            F: Handler<A, Output: Responder + 'static>,
            A: Argument + FromRequest + 'static,
        {
            call(Method::$method, path, handler, summary)
        })*
    };
}
methods!(get GET post POST delete DELETE);

fn call<F, A>(method: Method, path: &'static str, handler: F, summary: &'static str) -> Call
where
    F: Handler<A, Output: Responder + 'static>,
    A: Argument + FromRequest + 'static,
{
    let mut input = Input::default();
    A::describe(&mut input);
    Call {
        name: std::any::type_name::<F>().rsplit("::").next().unwrap_or_default(),
        has_head: method == Method::GET,
        route: route(&method).to(handler),
        method,
        path,
        summary,
        input,
        query: None,
        answers: Vec::new(),
        refusals: &[],
    }
}

/// Returns the names of the variable parts of a path.
pub fn path_keys(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// A path that answers GET also answers HEAD (RFC 9110, 9.1). The HTTP layer leaves out the body.
pub(super) fn route(method: &Method) -> Route {
    match *method {
        Method::GET => Route::new().guard(guard::Any(guard::Get()).or(guard::Head())),
        _ => web::method(method.clone()),
    }
}

impl Call {
    pub fn gives<T: JsonSchema>(mut self, status: u16) -> Self {
        self.answers.push((status, Some(schema_of::<T>)));
        self
    }

    /// Answers 204 without a body.
    pub fn gives_nothing(mut self) -> Self {
        self.answers.push((204, None));
        self
    }

    /// Refuses HEAD: a handshake cannot be requested without its content.
    pub fn without_head(mut self) -> Self {
        self.has_head = false;
        self.route = self.route.guard(guard::Get());
        self
    }

    pub fn refuses(mut self, refusals: &'static [Code]) -> Self {
        self.refusals = refusals;
        self
    }
}

/// Registers the routes of these calls. A path refuses other methods with our error format, and
/// lists the methods it has.
pub fn register(calls: Vec<Call>, config: &mut web::ServiceConfig) {
    let mut paths: BTreeMap<&str, (Vec<String>, Vec<Route>)> = BTreeMap::new();
    for call in calls {
        let (methods, routes) = paths.entry(call.path).or_default();
        methods.push(call.method.to_string());
        methods.extend(call.has_head.then(|| Method::HEAD.to_string()));
        routes.push(call.route);
    }
    for (path, (methods, routes)) in paths {
        let allowed = methods.join(", ");
        let resource = routes.into_iter().fold(web::resource(path), actix_web::Resource::route);
        config.service(resource.default_service(web::to(move || {
            let refusal = wrong_method(&allowed);
            async { refusal }
        })));
    }
}
