//! The audit log.
//!
//! It has a line for everything the hub refuses because of the requester, the rate, the size, or a
//! busy hub. It also has lines for the events of logins and sockets, and for the actions of
//! administrators. A line names the user, the address and the origin, and the setting or limit that
//! was exceeded. A line never repeats text that a user wrote. The one exception is the part of a
//! signed token that caused its refusal. Lines that strangers cause have a budget. The hub logs
//! only the number of the lines over the budget.

pub use super::audit_budget::WINDOW;
use super::audit_budget::{Budget, Kind, REFUSALS, SOCKETS, Source};
use super::client_address::UNKNOWN_ADDRESS;
use super::origins::OriginPolicy;
use super::problem::Refusal;
use crate::error::{Code, Error};
use crate::ids::UserId;
use actix_web::http::header;
use actix_web::{HttpMessage, HttpRequest};
use log::Level;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The target by which `RUST_LOG` selects these lines.
const TARGET: &str = "switchboard::audit";
/// The most characters of an origin that are logged.
const MAX_CHARS: usize = 100;

/// The audit log of this node. Cheap to clone.
#[derive(Clone, Default)]
pub struct Audit(Arc<Mutex<Budget>>);

impl Audit {
    fn count(&self, kind: Kind) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count(kind)
    }

    /// Writes the line of a connection that the hub closed before it sent anything.
    pub fn connection_refused(&self, address: IpAddr) {
        let reason = "HTTP connections of one address: close some, or name a proxy in TRUSTED_PROXIES";
        let refusal = Refusal { code: Code::RateLimited, reason: Some(reason.to_owned()) };
        let peer = Peer { address: Some(address), origin: None };
        peer.refused(self, "refused", None, Some(&refusal), format_args!(" call=connect"));
    }

    /// Writes the sums of the current window, and begins the next window.
    pub fn end_window(&self) {
        let sums = self.0.lock().unwrap_or_else(PoisonError::into_inner).end_window();
        for (Kind { source, what, code, level, .. }, more) in sums {
            let code = code.unwrap_or("none");
            log::log!(target: TARGET, level, "{what} {source} code={code}, and {more} more within a minute");
        }
    }
}

/// The source of a request or a socket.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: Option<IpAddr>,
    origin: Option<Arc<String>>,
}

impl Peer {
    pub fn new(request: &HttpRequest, address: Option<IpAddr>, origins: &OriginPolicy) -> Self {
        let origin = request.headers().get(header::ORIGIN);
        let origin = origin.map(|value| String::from_utf8_lossy(value.as_bytes()));
        let origin = origin
            .map(|text| origins.find_origin(&text).unwrap_or_else(|| Arc::new(text.chars().take(MAX_CHARS).collect())));
        Self { address, origin }
    }

    /// Writes the line of a refusal, if the budget allows it.
    pub fn refused(
        &self,
        audit: &Audit,
        what: &'static str,
        user: Option<UserId>,
        refusal: Option<&Refusal>,
        more: fmt::Arguments,
    ) {
        let code = refusal.map(|refusal| refusal.code.meaning().name);
        let kind = Kind { source: Source::address(self.address), what, code, level: Level::Warn, lines: REFUSALS };
        if !audit.count(kind) {
            return;
        }
        let code = code.unwrap_or("none");
        match refusal.and_then(|refusal| refusal.reason.as_ref()) {
            Some(reason) => self.tell(Level::Warn, what, user, format_args!(" code={code}{more} reason={reason:?}")),
            None => self.tell(Level::Warn, what, user, format_args!(" code={code}{more}")),
        }
    }

    /// Writes the line of a socket, if the budget allows it. The line counts for the user, or for
    /// the address when the user is unknown.
    pub fn socket(&self, audit: &Audit, level: Level, what: &'static str, user: Option<UserId>, more: fmt::Arguments) {
        let source = user.map_or_else(|| Source::address(self.address), Source::User);
        if audit.count(Kind { source, what, code: None, level, lines: SOCKETS }) {
            self.tell(level, what, user, more);
        }
    }

    /// Writes the line of an event of a login or an account.
    pub fn event(&self, what: &str, user_id: UserId) {
        self.tell(Level::Info, what, Some(user_id), format_args!(""));
    }

    /// Writes the line.
    fn tell(&self, level: Level, what: &str, user: Option<UserId>, more: fmt::Arguments) {
        log::log!(target: TARGET, level, "{what} user={} {self}{more}", LoggedUser(user));
    }
}

/// Escapes control characters, so that no client can forge a log line.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            None | Some(UNKNOWN_ADDRESS) => f.write_str("address=unknown")?,
            Some(address) => write!(f, "address={address}")?,
        }
        match &self.origin {
            Some(origin) => write!(f, " origin={origin:?}"),
            None => f.write_str(" origin=none"),
        }
    }
}

struct LoggedUser(Option<UserId>);

impl fmt::Display for LoggedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(user_id) => user_id.fmt(f),
            None => f.write_str("none"),
        }
    }
}

/// The user that a request concerns.
struct Subject(UserId);

/// Makes the audit line of this request name this user, if the request is refused.
pub fn names(request: &HttpRequest, user_id: UserId) {
    request.extensions_mut().insert(Subject(user_id));
}

/// Returns the user that the request concerns, as far as it is known.
pub fn named(request: &HttpRequest) -> Option<UserId> {
    request.extensions().get::<Subject>().map(|subject| subject.0)
}

/// Returns whether a refusal is logged.
pub fn is_refusal(error: &Error) -> bool {
    keeps_out(error.code())
}

pub fn keeps_out(code: Code) -> bool {
    match code {
        Code::Unauthenticated
        | Code::BadCredentials
        | Code::Forbidden
        | Code::BadOrigin
        | Code::BadHost
        | Code::TooLarge
        | Code::RateLimited
        | Code::Unavailable => true,
        Code::Invalid | Code::NotFound | Code::Conflict | Code::UsernameTaken | Code::Internal => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_6_an_origin_header_cannot_forge_a_log_line() {
        let hostile = "x\r\n[2026 INFO] logged in user=1\u{1b}[2J\u{202e}\"\\";
        let line = Peer { address: Some("192.0.2.1".parse().unwrap()), origin: Some(Arc::new(hostile.to_owned())) }
            .to_string();
        assert_eq!(line, r#"address=192.0.2.1 origin="x\r\n[2026 INFO] logged in user=1\u{1b}[2J\u{202e}\"\\""#);
        assert_eq!(Peer { address: None, origin: None }.to_string(), "address=unknown origin=none");
    }
}
