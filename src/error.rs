//! What can go wrong, sorted by who must act, and the one table that gives
//! each a name on the wire, an HTTP status and whether repeating makes sense.
//!
//! A detail is a sentence for the person at the other end. It never holds
//! message text, a secret, or the cause of an internal fault: that goes to
//! the log, once, in the dispatcher.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Short for a cause that stays inside the server.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why an operation or a request was refused, or failed.
#[derive(Debug)]
pub enum Error {
    /// The caller: a key is missing, mistyped or out of bounds; the text names it.
    Invalid(Cow<'static, str>),
    /// The caller: must log in, or log in again.
    Unauthenticated(&'static str),
    /// The caller: must show another token. Why this one was refused is for the log alone.
    TokenRefused { is_expired: bool, reason: String },
    /// The caller: no such user, or not this password; never says which.
    BadCredentials,
    /// The caller: may not do this; what they asked about they may know of.
    Forbidden(&'static str),
    /// The caller: a browser page of another site asked; the text names it, and the setting.
    BadOrigin(String),
    /// The caller: not there, or not theirs to see; never says which.
    NotFound(&'static str),
    /// The caller: contradicts what is stored.
    Conflict(&'static str),
    /// The caller: someone has that name.
    UsernameTaken,
    /// The caller: over a limit of size; the text names it.
    TooLarge(Cow<'static, str>),
    /// The caller: asked for a host this hub does not answer to; the text names it, and the setting.
    BadHost(String),
    /// The caller, later: over a rate limit. `limit` says which: a setting, or a number and what it
    /// counts.
    RateLimited { limit: &'static str, retry_in: Duration },
    /// The caller, later: has too much under way; the text names it.
    TooManyAtOnce(&'static str),
    /// Anyone, later: the database is away, a queue is full, the hub is
    /// stopping. Safe to repeat: with the same `client_message_id` nothing
    /// happens twice.
    Unavailable(&'static str),
    /// Anyone, later: the database cannot be reached.
    DatabaseAway(Source),
    /// Anyone, later: a lock or a statement took too long.
    DatabaseBusy(Source),
    /// Anyone, once the operator has made room: no space is left.
    DatabaseFull(Source),
    /// Anyone, once the operator allows writes again.
    DatabaseReadOnly(Source),
    /// The database gave up one of several transactions that waited for each
    /// other; the writer runs it again, nobody else sees this.
    Contention(Source),
    /// Us. Opaque on the wire.
    Internal(Source),
}

/// The name of an error on the wire; clients decide by it.
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

/// One row of the table of errors.
pub struct Meaning {
    pub name: &'static str,
    pub http_status: u16,
    /// Of the HTTP status, by RFC 9110.
    pub title: &'static str,
    /// The same request may succeed later, unchanged.
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

    /// The sentence the other end gets.
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
            Error::DatabaseAway(_) => "the database is away",
            Error::DatabaseBusy(_) | Error::Contention(_) => "the database is busy",
            Error::DatabaseFull(_) => "the database has no space left",
            Error::DatabaseReadOnly(_) => "the database is read-only",
            Error::Internal(_) => "something went wrong on our side",
        })
    }

    /// When a repeat may succeed, for the errors after which one may.
    pub fn retry_in(&self) -> Option<Duration> {
        match self {
            Error::RateLimited { retry_in, .. } => Some(*retry_in),
            // Nobody knows; queues are shorter than this.
            _ if self.code().meaning().is_temporary => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// What an operator needs to know, on one line: the cause, not what the
    /// other end would be told.
    pub fn cause(&self) -> String {
        let text = self.source_text().unwrap_or_else(|| self.detail().into_owned());
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The error behind it.
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

    /// The same of a database failure for somebody else who met it, too; the
    /// cause was told once.
    pub fn for_another(&self) -> Self {
        Error::Unavailable(match self {
            Error::DatabaseBusy(_) => "the database is busy",
            Error::DatabaseFull(_) => "the database has no space left",
            Error::DatabaseReadOnly(_) => "the database is read-only",
            _ => "the database is away",
        })
    }

    /// The setting, the bound or the rule that a refusal is about: our own words, for the audit log.
    /// None where the sentence may hold a part of the request, but for a signed token: there it is a
    /// bounded and escaped part.
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

    /// Something failed that is not the caller's fault.
    pub fn internal(source: impl Into<Source>) -> Self {
        Error::Internal(source.into())
    }

    /// A fault of ours that has no other error behind it.
    pub fn bug(what: &'static str) -> Self {
        Error::Internal(what.into())
    }
}

/// For the log; says the cause of an internal fault, which `detail` does not.
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
    fn every_code_has_a_name_of_its_own_and_an_error_status() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.meaning().name).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!((400..600).contains(&code.meaning().http_status), "{code:?}");
        }
    }

    #[test]
    fn whatever_is_temporary_says_when_to_come_back() {
        let limited = Error::RateLimited { limit: "x", retry_in: Duration::from_millis(5) };
        let database = [Error::DatabaseAway, Error::DatabaseBusy, Error::DatabaseFull, Error::DatabaseReadOnly];
        let database = database.map(|error| error("x".into()));
        let others = [limited, Error::TooManyAtOnce("x"), Error::Unavailable("x"), Error::NotFound("x")];
        for error in database.into_iter().chain(others) {
            assert_eq!(error.retry_in().is_some(), error.code().meaning().is_temporary, "{error}");
        }
    }

    #[test]
    fn the_cause_of_an_internal_fault_stays_inside() {
        let error = Error::Internal("password=hunter2".into());
        assert!(!error.detail().contains("hunter2"));
        assert!(error.to_string().contains("hunter2"), "the log needs it");
    }
}
