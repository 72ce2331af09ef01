//! The audit log: a line for everything that is refused because of who
//! asks, how often or how much, or because the hub is too busy, for what
//! becomes of logins and sockets, and for what administrators do. It says who,
//! from which address and from which origin, names the setting or bound that
//! was met, and repeats nothing that anybody wrote, but for the part of a signed
//! token because of which it was refused. Lines that strangers cause have a
//! budget: what is over it is told as a sum.

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

/// By which `RUST_LOG` finds these lines.
const TARGET: &str = "switchboard::audit";
/// Of an origin.
const MAX_CHARS: usize = 100;

/// The lines of this node; cheap to clone.
#[derive(Clone, Default)]
pub struct Audit(Arc<Mutex<Budget>>);

impl Audit {
    fn count(&self, kind: Kind) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count(kind)
    }

    /// The line of a connection that was closed before it said anything.
    pub fn connection_refused(&self, address: IpAddr) {
        let reason = "HTTP connections of one address: close some, or name a proxy in TRUSTED_PROXIES";
        let refusal = Refusal { code: Code::RateLimited, reason: Some(reason.to_owned()) };
        let peer = Peer { address: Some(address), origin: None };
        peer.refused(self, "refused", None, Some(&refusal), format_args!(" call=connect"));
    }

    /// Writes the sums of the present window, and begins the next.
    pub fn end_window(&self) {
        let sums = self.0.lock().unwrap_or_else(PoisonError::into_inner).end_window();
        for (Kind { source, what, code, level, .. }, more) in sums {
            let code = code.unwrap_or("none");
            log::log!(target: TARGET, level, "{what} {source} code={code}, and {more} more within a minute");
        }
    }
}

/// Where a request or a socket comes from.
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

    /// The line of a refusal, as far as there is budget for it.
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

    /// The line of a socket, as far as there is budget for it: of the user's, or of the address where
    /// nobody knows whose it is.
    pub fn socket(&self, audit: &Audit, level: Level, what: &'static str, user: Option<UserId>, more: fmt::Arguments) {
        let source = user.map_or_else(|| Source::address(self.address), Source::User);
        if audit.count(Kind { source, what, code: None, level, lines: SOCKETS }) {
            self.tell(level, what, user, more);
        }
    }

    /// Writes the line of what happened to a login or an account.
    pub fn event(&self, what: &str, user_id: UserId) {
        self.tell(Level::Info, what, Some(user_id), format_args!(""));
    }

    /// Writes the line.
    fn tell(&self, level: Level, what: &str, user: Option<UserId>, more: fmt::Arguments) {
        log::log!(target: TARGET, level, "{what} user={} {self}{more}", LoggedUser(user));
    }
}

/// Control characters are escaped, so that nobody writes a line of their own.
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

/// Whom a request turned out to be about.
struct Subject(UserId);

/// Has the line of this request, should it be refused, name this user.
pub fn names(request: &HttpRequest, user_id: UserId) {
    request.extensions_mut().insert(Subject(user_id));
}

/// Whom the request turned out to be about, so far.
pub fn named(request: &HttpRequest) -> Option<UserId> {
    request.extensions().get::<Subject>().map(|subject| subject.0)
}

/// Whether a refusal has a line.
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
    fn in_6_nobody_writes_a_line_of_their_own() {
        let hostile = "x\r\n[2026 INFO] logged in user=1\u{1b}[2J\u{202e}\"\\";
        let line = Peer { address: Some("192.0.2.1".parse().unwrap()), origin: Some(Arc::new(hostile.to_owned())) }
            .to_string();
        assert_eq!(line, r#"address=192.0.2.1 origin="x\r\n[2026 INFO] logged in user=1\u{1b}[2J\u{202e}\"\\""#);
        assert_eq!(Peer { address: None, origin: None }.to_string(), "address=unknown origin=none");
    }
}
