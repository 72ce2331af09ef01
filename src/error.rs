//! The error type, grouped by the role that must act. One table gives each error a code on the
//! wire, an HTTP status, and whether a retry makes sense.
//!
//! A detail is a sentence for the client. It never holds message text, a secret, or the cause of an
//! internal error. The dispatcher logs that cause once.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The cause of an error, which stays inside the server.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// The reason why an operation or a request was refused or failed.
#[derive(Debug)]
pub enum Error {
    /// The caller sent a key that is missing, mistyped or out of bounds. The text names it.
    Invalid(Cow<'static, str>),
    /// The caller must log in, or log in again.
    Unauthenticated(&'static str),
    /// The caller must send another token. Only the log has the reason for the refusal.
    TokenRefused { is_expired: bool, reason: String },
    /// The caller named an unknown user or sent a wrong password. The error never says which.
    BadCredentials,
    /// The caller may not do this, and may know of the thing they asked about.
    Forbidden(&'static str),
    /// A browser page of another site sent the request. The text names the site and the setting.
    BadOrigin(String),
    /// The thing does not exist, or the caller may not see it. The error never says which.
    NotFound(&'static str),
    /// The request contradicts the stored data.
    Conflict(&'static str),
    /// The name belongs to another account.
    UsernameTaken,
    /// The request exceeds a size limit. The text names it.
    TooLarge(Cow<'static, str>),
    /// The request names a host that this hub does not serve. The text names it and the setting.
    BadHost(String),
    /// The caller exceeded a rate limit and may retry later. `limit` says which: a setting, or a
    /// number and the thing that it counts.
    RateLimited { limit: &'static str, retry_in: Duration },
    /// The caller has too many operations in progress and may retry later. The text names them.
    TooManyAtOnce(&'static str),
    /// The database is away, a queue is full, or the hub is stopping. Any caller may retry later. A
    /// retry is safe: with the same `client_message_id` nothing happens twice.
    Unavailable(&'static str),
    /// The database cannot be reached. Any caller may retry later.
    DatabaseAway(Source),
    /// A lock or a statement took too long. Any caller may retry later.
    DatabaseBusy(Source),
    /// No space is left. Any caller may retry once the operator has made room.
    DatabaseFull(Source),
    /// The database is read-only. Any caller may retry once the operator allows writes again.
    DatabaseReadOnly(Source),
    /// The database gave up one of several transactions that waited for each other. The writer runs
    /// it again, so no caller sees this error.
    Contention(Source),
    /// An internal error. The wire carries no cause.
    Internal(Source),
}

/// The code of an error on the wire. Clients decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Invalid,
    Unauthenticated,
    BadCredentials,
    Forbidden,
    BadOrigin,
    NotFound,
    Conflict,
    UsernameTaken,
    TooLarge,
    BadHost,
    RateLimited,
    Internal,
    Unavailable,
}

/// One row of the error table.
pub struct Meaning {
    pub name: &'static str,
    pub http_status: u16,
    /// The title of the HTTP status, from RFC 9110.
    pub title: &'static str,
    /// Whether the same request may succeed later, unchanged.
    pub is_temporary: bool,
}

impl Code {
    pub const ALL: [Code; 13] = [
        Code::Invalid,
        Code::Unauthenticated,
        Code::BadCredentials,
        Code::Forbidden,
        Code::BadOrigin,
        Code::NotFound,
        Code::Conflict,
        Code::UsernameTaken,
        Code::TooLarge,
        Code::BadHost,
        Code::RateLimited,
        Code::Internal,
        Code::Unavailable,
    ];

    pub const fn meaning(self) -> Meaning {
        let (name, http_status, title, is_temporary) = match self {
            Code::Invalid => ("invalid", 400, "Bad Request", false),
            Code::Unauthenticated => ("unauthenticated", 401, "Unauthorized", false),
            Code::BadCredentials => ("bad_credentials", 401, "Unauthorized", false),
            Code::Forbidden => ("forbidden", 403, "Forbidden", false),
            Code::BadOrigin => ("bad_origin", 403, "Forbidden", false),
            Code::NotFound => ("not_found", 404, "Not Found", false),
            Code::Conflict => ("conflict", 409, "Conflict", false),
            Code::UsernameTaken => ("username_taken", 409, "Conflict", false),
            Code::TooLarge => ("too_large", 413, "Content Too Large", false),
            Code::BadHost => ("bad_host", 421, "Misdirected Request", false),
            Code::RateLimited => ("rate_limited", 429, "Too Many Requests", true),
            Code::Internal => ("internal", 500, "Internal Server Error", false),
            Code::Unavailable => ("unavailable", 503, "Service Unavailable", true),
        };
        Meaning { name, http_status, title, is_temporary }
    }
}

impl Error {
    pub fn code(&self) -> Code {
        match self {
            Error::Invalid(_) => Code::Invalid,
            Error::Unauthenticated(_) | Error::TokenRefused { .. } => Code::Unauthenticated,
            Error::BadCredentials => Code::BadCredentials,
            Error::Forbidden(_) => Code::Forbidden,
            Error::BadOrigin(_) => Code::BadOrigin,
            Error::NotFound(_) => Code::NotFound,
            Error::Conflict(_) => Code::Conflict,
            Error::UsernameTaken => Code::UsernameTaken,
            Error::TooLarge(_) => Code::TooLarge,
            Error::BadHost(_) => Code::BadHost,
            Error::RateLimited { .. } | Error::TooManyAtOnce(_) => Code::RateLimited,
            Error::Unavailable(_)
            | Error::DatabaseAway(_)
            | Error::DatabaseBusy(_)
            | Error::DatabaseFull(_)
            | Error::DatabaseReadOnly(_)
            | Error::Contention(_) => Code::Unavailable,
            Error::Internal(_) => Code::Internal,
        }
    }

    /// The sentence that the client gets.
    pub fn detail(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Error::Invalid(detail) | Error::TooLarge(detail) => detail,
            Error::Unauthenticated(detail)
            | Error::Forbidden(detail)
            | Error::NotFound(detail)
            | Error::Conflict(detail)
            | Error::TooManyAtOnce(detail)
            | Error::Unavailable(detail) => detail,
            Error::BadOrigin(detail) | Error::BadHost(detail) => detail,
            Error::TokenRefused { is_expired: true, .. } => "token expired",
            Error::TokenRefused { is_expired: false, .. } => "token invalid",
            Error::BadCredentials => "unknown username or wrong password",
            Error::UsernameTaken => "username is taken",
            Error::RateLimited { limit, .. } => return Cow::Owned(format!("over the limit: {limit}")),
            Error::DatabaseAway(_) => "the database is unreachable",
            Error::DatabaseBusy(_) | Error::Contention(_) => "the database is busy",
            Error::DatabaseFull(_) => "the database has no space left",
            Error::DatabaseReadOnly(_) => "the database is read-only",
            Error::Internal(_) => "internal error; the server log has the details",
        })
    }

    /// The time after which a retry may succeed, for the errors that allow a retry.
    pub fn retry_in(&self) -> Option<Duration> {
        match self {
            Error::RateLimited { retry_in, .. } => Some(*retry_in),
            // The time is unknown. Queues are shorter than this.
            _ if self.code().meaning().is_temporary => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// The cause for an operator, on one line. The client does not get it.
    pub fn cause(&self) -> String {
        let text = self.source_text().unwrap_or_else(|| self.detail().into_owned());
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The text of the underlying error.
    fn source_text(&self) -> Option<String> {
        match self {
            Error::DatabaseAway(source)
            | Error::DatabaseBusy(source)
            | Error::DatabaseFull(source)
            | Error::DatabaseReadOnly(source)
            | Error::Contention(source)
            | Error::Internal(source) => Some(source.to_string()),
            _ => None,
        }
    }

    /// The same database failure for another caller who met it too. The cause was reported once.
    pub fn for_another(&self) -> Self {
        Error::Unavailable(match self {
            Error::DatabaseBusy(_) => "the database is busy",
            Error::DatabaseFull(_) => "the database has no space left",
            Error::DatabaseReadOnly(_) => "the database is read-only",
            _ => "the database is unreachable",
        })
    }

    /// The setting, the bound or the rule behind a refusal, in the hub's own words, for the audit
    /// log. None where the sentence may hold a part of the request. A signed token is the
    /// exception: its part is bounded and escaped.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Error::RateLimited { limit, .. } => Some(limit),
            Error::Unauthenticated(rule)
            | Error::Forbidden(rule)
            | Error::Unavailable(rule)
            | Error::TooManyAtOnce(rule) => Some(rule),
            Error::TooLarge(bound) => Some(bound),
            Error::TokenRefused { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// An internal error: a failure that is not the caller's fault.
    pub fn internal(source: impl Into<Source>) -> Self {
        Error::Internal(source.into())
    }

    /// An internal error without an underlying error.
    pub fn bug(what: &'static str) -> Self {
        Error::Internal(what.into())
    }
}

/// Formats the error for the log. It includes the cause of an internal error, which `detail` omits.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.code().meaning().name;
        match self.source_text() {
            Some(source) => write!(f, "{name}: {source}"),
            None => write!(f, "{name}: {}", self.detail()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_code_has_a_unique_name_and_an_error_status() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.meaning().name).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!((400..600).contains(&code.meaning().http_status), "{code:?}");
        }
    }

    #[test]
    fn temporary_errors_have_a_retry_time() {
        let limited = Error::RateLimited { limit: "x", retry_in: Duration::from_millis(5) };
        let database = [Error::DatabaseAway, Error::DatabaseBusy, Error::DatabaseFull, Error::DatabaseReadOnly];
        let database = database.map(|error| error("x".into()));
        let others = [limited, Error::TooManyAtOnce("x"), Error::Unavailable("x"), Error::NotFound("x")];
        for error in database.into_iter().chain(others) {
            assert_eq!(error.retry_in().is_some(), error.code().meaning().is_temporary, "{error}");
        }
    }

    #[test]
    fn an_internal_error_does_not_reveal_its_cause() {
        let error = Error::Internal("password=hunter2".into());
        assert!(!error.detail().contains("hunter2"));
        assert!(error.to_string().contains("hunter2"), "the log needs it");
    }
}
