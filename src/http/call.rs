//! One call over HTTP: who answers it, and what is said of it to those who
//! ask. Routes and `/api/openapi.json` are made of the same calls, so neither
//! has one that the other lacks.

use super::extract::identity::{Authenticated, Credential};
use super::extract::input::{AuthedJson, Json, OptionalAuthedJson, OptionalJson, Query};
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
    /// What its keys are, and which of them the query string may have.
    pub query: Option<(SchemaOf, &'static [&'static str])>,
    /// By status; without a schema where there is no body.
    pub answers: Vec<(u16, Option<SchemaOf>)>,
    /// What is refused besides the usual.
    pub refusals: &'static [Code],
    /// Whether HEAD is answered, too.
    has_head: bool,
    route: Route,
}

/// What a handler takes, as its arguments say.
#[derive(Default)]
pub struct Input {
    /// What may say who asks; empty when nobody has to.
    pub who: &'static [Who],
    pub body: Option<SchemaOf>,
    pub needs_body: bool,
}

#[derive(Clone, Copy)]
pub enum Who {
    Cookie,
    Bearer,
    Body,
}

/// Whatever may be an argument of a handler.
pub trait Argument {
    fn describe(_: &mut Input) {}
}

impl<T> Argument for web::Data<T> {}
impl Argument for HttpRequest {}
impl Argument for Query {}

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

/// Taken by the one call whose body may say who asks, instead of the cookie.
impl<T: JsonSchema> Argument for OptionalJson<T> {
    fn describe(input: &mut Input) {
        Json::<T>::describe(input);
        input.needs_body = false;
        input.who = &[Who::Cookie, Who::Body];
    }
}

impl<T: JsonSchema> Argument for Json<T> {
    fn describe(input: &mut Input) {
        input.body = Some(schema_of::<T>);
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
methods!(get GET post POST put PUT patch PATCH delete DELETE);

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

/// What answers GET answers HEAD, too (RFC 9110, 9.1); HTTP leaves out the body.
fn route(method: &Method) -> Route {
    match *method {
        Method::GET => Route::new().guard(guard::Any(guard::Get()).or(guard::Head())),
        _ => web::method(method.clone()),
    }
}

impl Call {
    /// These keys of `T` may be in the query string.
    pub fn query<T: JsonSchema>(mut self, names: &'static [&'static str]) -> Self {
        self.query = Some((T::json_schema, names));
        self
    }

    pub fn gives<T: JsonSchema>(mut self, status: u16) -> Self {
        self.answers.push((status, Some(schema_of::<T>)));
        self
    }

    /// 204 and nothing.
    pub fn gives_nothing(mut self) -> Self {
        self.answers.push((204, None));
        self
    }

    /// HEAD is refused: a socket cannot be asked for without its content.
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

/// The routes of these calls. A path refuses other methods than its own in our
/// words, and says which it has.
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
