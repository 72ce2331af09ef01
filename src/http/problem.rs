//! Errors as RFC 9457 `application/problem+json`.

use crate::error::{Code, Error};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

/// The result of a handler.
pub type Answer = Result<HttpResponse, Problem>;

/// An error that is sent over HTTP.
#[derive(Debug)]
pub struct Problem {
    error: Error,
    /// The status that replaces the code's own status, where HTTP has a more exact one.
    status: Option<(StatusCode, &'static str)>,
}

/// The content of the audit line for an answer.
#[derive(Clone)]
pub struct Refusal {
    pub code: Code,
    /// The setting, limit or rule. `None` if the code is all there is to say.
    pub reason: Option<String>,
}

impl Refusal {
    pub fn of(error: &Error) -> Self {
        Self { code: error.code(), reason: error.reason().map(str::to_owned) }
    }
}

/// The reason why a request was refused (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: Cow<'a, str>,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self { error, status: None }
    }
}

impl Problem {
    fn invalid(status: StatusCode, title: &'static str, detail: &'static str) -> Self {
        Self { error: Error::Invalid(detail.into()), status: Some((status, title)) }
    }

    pub fn not_json() -> Self {
        Self::invalid(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Unsupported Media Type",
            "the Content-Type must be application/json",
        )
    }

    pub fn body_too_slow() -> Self {
        Self::invalid(StatusCode::REQUEST_TIMEOUT, "Request Timeout", "the request body took too long to arrive")
    }

    pub fn wrong_version() -> Self {
        Self::invalid(StatusCode::UPGRADE_REQUIRED, "Upgrade Required", "send a WebSocket handshake of version 13")
    }

    pub fn wrong_key() -> Self {
        Error::Invalid("send exactly one Sec-WebSocket-Key, of 16 bytes in base64".into()).into()
    }

    pub fn head_too_large() -> Self {
        Self {
            error: Error::TooLarge("the headers of a request must have at most 16 KiB".into()),
            status: Some((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large")),
        }
    }
}

/// Answers 405, and lists the allowed methods.
pub fn wrong_method(allowed: &str) -> HttpResponse {
    let detail = "this endpoint does not allow this method";
    let problem = Problem::invalid(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", detail);
    let mut response = problem.error_response();
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        let status = self.error.code().meaning().http_status;
        match self.status {
            Some((status, _)) => status,
            None => StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let meaning = self.error.code().meaning();
        let status = self.status_code();
        let body = Body {
            r#type: "about:blank",
            title: self.status.map_or(meaning.title, |(_, title)| title),
            status: status.as_u16(),
            code: meaning.name,
            detail: self.error.detail(),
        };
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        if let Some(wait) = self.error.retry_in() {
            // The wait in whole seconds, at least 1.
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        match (self.error.code(), status) {
            (Code::Unauthenticated, _) => {
                response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            (_, StatusCode::UPGRADE_REQUIRED) => {
                response.insert_header((header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
                response.insert_header((header::UPGRADE, HeaderValue::from_static("websocket")));
            }
            _ => {}
        }
        let mut response = response.body(crate::wire::json(&body));
        // The audit log reads this extension.
        response.extensions_mut().insert(Refusal::of(&self.error));
        response
    }
}
