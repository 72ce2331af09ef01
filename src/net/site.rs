//! Where this hub lives: the hosts it answers to and the origins whose pages
//! may use a visitor's login. Pure comparisons, without any normalising: what
//! is not exactly right is wrong.

use crate::error::{Error, Result};
use std::sync::Arc;

/// The names by which a machine talks to itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The hub's own address, and whom it trusts besides.
#[derive(Clone, Debug)]
pub struct Site {
    hosts: Vec<String>,
    origins: Vec<Arc<String>>,
    /// Of these, those that are not its own.
    allowed: Vec<String>,
    is_https: bool,
}

impl Site {
    /// A hub with a public address: that origin, and that one host.
    pub fn public(origin: &str, host: &str, is_https: bool, allowed: &[String]) -> Self {
        let origins = std::iter::once(origin.to_owned()).chain(allowed.iter().cloned()).map(Arc::new).collect();
        Self { hosts: vec![host.to_owned()], origins, allowed: allowed.to_vec(), is_https }
    }

    /// A hub for this machine alone, at the loopback names.
    pub fn loopback(port: u16, allowed: &[String]) -> Self {
        // Port 80 is what a browser leaves out.
        let suffix = if port == 80 { String::new() } else { format!(":{port}") };
        let hosts: Vec<String> = LOOPBACK.iter().map(|name| format!("{name}{suffix}")).collect();
        let own = hosts.iter().map(|host| format!("http://{host}"));
        let origins = own.chain(allowed.iter().cloned()).map(Arc::new).collect();
        Self { hosts, origins, allowed: allowed.to_vec(), is_https: false }
    }

    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// The origin that is exactly this, of those whose pages may use a login:
    /// one string for all their sockets.
    pub fn find_origin(&self, origin: &str) -> Option<Arc<String>> {
        self.origins.iter().find(|known| ***known == *origin).map(Arc::clone)
    }

    /// Whether pages of any other origin may use a login.
    pub fn allows_others(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// The allowed origin that is exactly this, if it is not the hub's own.
    pub fn find_allowed(&self, origin: &str) -> Option<&str> {
        self.allowed.iter().find(|allowed| *allowed == origin).map(String::as_str)
    }

    /// Refuses requests for any other host, so that no name somebody points
    /// at this machine makes its pages ours (DNS rebinding).
    pub fn check_host(&self, host: Option<&str>) -> Result<()> {
        let host = host.ok_or(Error::BadHost)?;
        // Host names are compared without regard to case (RFC 9110, 4.2.3).
        self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)).then_some(()).ok_or(Error::BadHost)
    }

    /// Refuses what a page of another site asks with its visitor's cookie.
    /// Who sends neither header is no browser, and passes.
    pub fn check_origin(&self, sent: &Sent) -> Result<()> {
        match (sent.origins.as_slice(), sent.fetch_site.as_deref()) {
            ([], None) => Ok(()),
            ([], Some("same-origin")) => Ok(()),
            ([], Some(_)) => Err(Error::BadOrigin("of another site".into())),
            ([origin], _) if self.find_origin(origin).is_some() => Ok(()),
            ([origin], _) => Err(Error::BadOrigin(printable(origin))),
            _ => Err(Error::BadOrigin("sent more than once".into())),
        }
    }
}

/// What a browser tells of the page that asks.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Every `Origin` header.
    pub origins: Vec<String>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<String>,
}

/// For an error message: bounded, and nothing but visible ASCII.
fn printable(text: &str) -> String {
    text.chars().take(100).map(|letter| if letter.is_ascii_graphic() { letter } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site::public("https://chat.example.org", "chat.example.org", true, &["https://app.example.org:8443".into()])
    }

    fn origin(text: &str) -> Sent {
        Sent { origins: vec![text.into()], fetch_site: None }
    }

    #[test]
    fn the_own_and_the_allowed_origins_pass() {
        for good in ["https://chat.example.org", "https://app.example.org:8443"] {
            assert!(site().check_origin(&origin(good)).is_ok(), "{good}");
        }
        let loopback = Site::loopback(8080, &[]);
        for good in ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"] {
            assert!(loopback.check_origin(&origin(good)).is_ok(), "{good}");
        }
        assert!(Site::loopback(80, &[]).check_origin(&origin("http://localhost")).is_ok());
    }

    #[test]
    fn hostile_origins_are_refused_and_named() {
        for bad in [
            "null",
            "",
            "https://evil.example",
            "http://chat.example.org",
            "https://chat.example.org:443",
            "https://chat.example.org:444",
            "https://chat.example.org.",
            "https://chat.example.org/",
            "https://chat.example.org.evil.example",
            "https://evil-chat.example.org",
            "https://sub.chat.example.org",
            "https://CHAT.example.org",
            "HTTPS://chat.example.org",
            "https://user@chat.example.org",
            "https://chat.example.org@evil.example",
            "https://chat.example.org evil",
            " https://chat.example.org",
            "https://chat.example.org ",
            "https://chät.example.org",
            "//chat.example.org",
            "chat.example.org",
            "https://app.example.org",
            "https://app.example.org:8444",
            "file://",
        ] {
            let refusal = site().check_origin(&origin(bad)).unwrap_err();
            assert!(matches!(refusal, Error::BadOrigin(_)), "{bad}");
            assert!(refusal.detail().is_ascii());
        }
        let twice = Sent { origins: vec!["https://chat.example.org".into(); 2], fetch_site: None };
        assert!(site().check_origin(&twice).is_err());
    }

    #[test]
    fn without_an_origin_the_fetch_metadata_decides_and_without_both_it_is_no_browser() {
        let fetch = |text: &str| Sent { origins: vec![], fetch_site: Some(text.into()) };
        assert!(site().check_origin(&Sent::default()).is_ok());
        assert!(site().check_origin(&fetch("same-origin")).is_ok());
        for bad in ["cross-site", "same-site", "none", "", "SAME-ORIGIN"] {
            assert!(site().check_origin(&fetch(bad)).is_err(), "{bad}");
        }
        let foreign = Sent { origins: vec!["https://evil.example".into()], fetch_site: Some("same-origin".into()) };
        assert!(site().check_origin(&foreign).is_err(), "the origin has the last word");
    }

    #[test]
    fn only_the_own_host_is_answered() {
        for good in ["chat.example.org", "CHAT.example.org"] {
            assert!(site().check_host(Some(good)).is_ok());
        }
        for bad in ["", "chat.example.org:443", "evil.example", "localhost", "chat.example.org."] {
            assert!(site().check_host(Some(bad)).is_err(), "{bad}");
        }
        assert!(site().check_host(None).is_err());
        let loopback = Site::loopback(8080, &[]);
        assert!(loopback.check_host(Some("localhost:8080")).is_ok());
        for bad in ["localhost", "localhost:8081", "rebound.example:8080"] {
            assert!(loopback.check_host(Some(bad)).is_err(), "{bad}");
        }
    }
}
