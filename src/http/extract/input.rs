//! Parses bodies, paths and query strings into checked values. The error messages are the same as
//! on the socket.

use super::identity::find_caller;
use crate::auth::Caller;
use crate::error::Error;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
use crate::ids::OutOfBounds;
use crate::wire;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{self, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

/// The longest time from the headers to the end of the body.
const MAX_BODY_TIME: Duration = Duration::from_secs(10);

/// A JSON body of at most `MAX_FRAME_BYTES`.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = json_bytes(request, payload);
        Box::pin(async move { Ok(Self(wire::parse(&bytes.await?)?)) })
    }
}

/// A JSON body and its sender. The sender is authenticated after the body is read, so that a slow
/// body is refused if its sender logs out meanwhile.
pub struct AuthedJson<T>(pub Caller, pub T);

impl<T: DeserializeOwned + 'static> FromRequest for AuthedJson<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = Json::<T>::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let Json(body) = body.await?;
            Ok(Self(find_caller(&request).await?, body))
        })
    }
}

/// A JSON body, or no body. Without a body every key has its default.
pub struct OptionalJson<T>(pub T);

impl<T: Default + DeserializeOwned + 'static> FromRequest for OptionalJson<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = optional_json_bytes(request, payload);
        Box::pin(
            async move { Ok(Self(bytes.await?.map(|bytes| wire::parse(&bytes)).transpose()?.unwrap_or_default())) },
        )
    }
}

/// An optional JSON body and its sender.
pub struct OptionalAuthedJson<T>(pub Caller, pub T);

impl<T: Default + DeserializeOwned + 'static> FromRequest for OptionalAuthedJson<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = OptionalJson::<T>::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let OptionalJson(body) = body.await?;
            Ok(Self(find_caller(&request).await?, body))
        })
    }
}

type BodyFuture<T> = LocalBoxFuture<'static, Result<T, Problem>>;

/// Reads a JSON body.
pub fn json_bytes(request: &HttpRequest, payload: &mut Payload) -> BodyFuture<BytesMut> {
    if is_json(request) { bytes(request, payload) } else { Box::pin(async { Err(Problem::not_json()) }) }
}

/// Reads a JSON body, if there is one.
pub fn optional_json_bytes(request: &HttpRequest, payload: &mut Payload) -> BodyFuture<Option<BytesMut>> {
    let (is_json, bytes) = (is_json(request), bytes(request, payload));
    Box::pin(async move {
        match bytes.await? {
            bytes if bytes.is_empty() => Ok(None),
            _ if !is_json => Err(Problem::not_json()),
            bytes => Ok(Some(bytes)),
        }
    })
}

fn is_json(request: &HttpRequest) -> bool {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn bytes(request: &HttpRequest, payload: &mut Payload) -> BodyFuture<BytesMut> {
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let max = HttpState::of(request.app_data()).map(|state| state.max_body_bytes);
    let payload = payload.take();
    Box::pin(async move {
        let bytes = tokio::time::timeout(MAX_BODY_TIME, read(payload, declared, max?));
        Ok(bytes.await.map_err(|_| Problem::body_too_slow())??)
    })
}

async fn read(mut payload: Payload, declared: Option<usize>, max: usize) -> Result<BytesMut, Error> {
    let too_large = || Error::TooLarge(format!("the body must have at most {max} bytes").into());
    if declared.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Error::Invalid("the request body ended early".into()))?;
        if bytes.len() + chunk.len() > max {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Parses the query string. If a key is repeated, its last value counts.
///
/// # Errors
/// `Invalid` if it is malformed.
pub fn query_pairs(request: &HttpRequest) -> Result<HashMap<String, String>, Error> {
    let pairs = web::Query::<HashMap<String, String>>::from_query(request.query_string());
    pairs.map(web::Query::into_inner).map_err(|_| Error::Invalid("the query string is malformed".into()))
}

/// Parses a named part of the path.
///
/// # Errors
/// `Invalid`, naming the part.
pub fn part<T: FromStr<Err = OutOfBounds>>(request: &HttpRequest, name: &str) -> Result<T, Error> {
    let text = request.match_info().query(name);
    text.parse().map_err(|bounds| Error::Invalid(format!("{name} {bounds}").into()))
}
