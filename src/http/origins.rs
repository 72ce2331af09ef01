//! The address of this hub: the hosts that it serves, and the origins whose pages may use a
//! visitor's login.
//!
//! Hosts are compared as in HTTP (RFC 9110, 4.2.3). The comparison ignores case, an explicit
//! default port, and the final dot of a complete name. Proxies write hosts in all these forms.
//! Browsers send an origin in one spelling only, so origins are compared byte by byte.

use crate::error::{Error, Result};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The names by which a machine addresses itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The hub's own address, and the other origins that it trusts.
#[derive(Clone, Debug)]
pub struct OriginPolicy {
    hosts: Vec<Authority>,
    origins: Vec<Arc<String>>,
    /// The origins among these that are not the hub's own.
    allowed: Vec<String>,
    is_https: bool,
}

impl OriginPolicy {
    /// Creates the policy of a hub with a public address: that origin, and that one host.
    pub fn public(origin: &str, host: &str, is_https: bool, allowed: &[String]) -> Self {
        Self::new(&[host.to_owned()], &[origin.to_owned()], is_https, allowed)
    }

    /// Creates the policy of a hub that serves only this machine, under the loopback names.
    pub fn loopback(port: u16, allowed: &[String]) -> Self {
        // A browser omits port 80.
        let suffix = if port == 80 { String::new() } else { format!(":{port}") };
        let hosts = LOOPBACK.map(|name| format!("{name}{suffix}"));
        let origins = hosts.each_ref().map(|host| format!("http://{host}"));
        Self::new(&hosts, &origins, false, allowed)
    }

    fn new(hosts: &[String], own: &[String], is_https: bool, allowed: &[String]) -> Self {
        let hosts = hosts.iter().filter_map(|host| Authority::parse(host, is_https)).collect();
        let own = own.iter().flat_map(|origin| [Some(origin.clone()), with_final_dot(origin)]).flatten();
        let origins = own.chain(allowed.iter().cloned()).map(Arc::new).collect();
        Self { hosts, origins, allowed: allowed.to_vec(), is_https }
    }

    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Finds the exact origin among those whose pages may use a login. All sockets of an origin
    /// share one string.
    pub fn find_origin(&self, origin: &str) -> Option<Arc<String>> {
        self.origins.iter().find(|known| ***known == *origin).map(Arc::clone)
    }

    /// Returns whether pages of any other origin may use a login.
    pub fn allows_others(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// Finds the exact allowed origin, if it is not the hub's own.
    pub fn find_allowed(&self, origin: &str) -> Option<&str> {
        self.allowed.iter().find(|allowed| *allowed == origin).map(String::as_str)
    }

    /// Refuses requests for any other host. Otherwise an attacker could point a name at this
    /// machine and make its pages ours (DNS rebinding).
    pub fn check_host(&self, host: Option<&[u8]>) -> Result<()> {
        let text = str::from_utf8(host.unwrap_or_default()).ok();
        let asked = text.and_then(|text| Authority::parse(text, self.is_https));
        if asked.is_some_and(|asked| self.hosts.contains(&asked)) {
            return Ok(());
        }
        Err(Error::BadHost(match host {
            Some(host) => format!("unknown host {}; set PUBLIC_URL to the address people use", printable(host)),
            None => "the request must name one host, in one Host header".to_owned(),
        }))
    }

    /// Refuses the requests of a page of another site.
    pub fn check_page(&self, headers: &HeaderMap) -> Result<()> {
        self.check_origin(&RequestOrigin::of(headers))
    }

    /// Refuses the requests that a page of another site sends with its visitor's cookie. A request
    /// with neither header does not come from a browser and is allowed.
    pub fn check_origin(&self, sent: &RequestOrigin) -> Result<()> {
        match (sent.origins.as_slice(), sent.fetch_site.as_deref()) {
            ([], None) => Ok(()),
            ([], Some("same-origin")) => Ok(()),
            ([], Some(_)) => Err(Error::BadOrigin("a page of another site may not do this".into())),
            ([origin], _) if self.find_origin(origin).is_some() => Ok(()),
            ([origin], _) => Err(Error::BadOrigin(format!(
                "origin {} is not allowed; add it to ALLOWED_ORIGINS, or set PUBLIC_URL if it is the hub's own",
                printable(origin.as_bytes())
            ))),
            _ => Err(Error::BadOrigin("the request must have one Origin header, not several".into())),
        }
    }
}

/// The headers in which a browser names the page that sends a request.
#[derive(Clone, Debug, Default)]
pub struct RequestOrigin {
    /// The values of all `Origin` headers.
    pub origins: Vec<String>,
    /// The value of the `Sec-Fetch-Site` header.
    pub fetch_site: Option<String>,
}

impl RequestOrigin {
    fn of(headers: &HeaderMap) -> Self {
        // A value that is not text is not ours. An empty string matches nothing.
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        Self {
            origins: headers.get_all(header::ORIGIN).map(text).collect(),
            fetch_site: headers.get(HeaderName::from_static("sec-fetch-site")).map(text),
        }
    }
}

/// A host and its port, in one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    name: String,
    port: u16,
}

impl Authority {
    /// Parses a host with an optional port. Returns `None` for any other text.
    fn parse(text: &str, is_https: bool) -> Option<Self> {
        let (name, port) = match text.rsplit_once(':') {
            // The colon is not one of those within `[::1]`.
            Some((name, port)) if !port.contains(']') => (name, digits(port)?),
            _ => (text, if is_https { 443 } else { 80 }),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        Some(Self { name: name.to_ascii_lowercase(), port })
    }
}

fn digits(port: &str) -> Option<u16> {
    port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())?
}

/// Returns the same origin with a final dot in the name, as a browser spells it if the user typed
/// the dot. Returns `None` for an address.
fn with_final_dot(origin: &str) -> Option<String> {
    let (scheme, host) = origin.split_once("://")?;
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    let is_address = name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok();
    let colon = if port.is_empty() { "" } else { ":" };
    (!is_address).then(|| format!("{scheme}://{name}.{colon}{port}"))
}

/// Returns text for an error message: at most 100 characters, all of them visible ASCII without a
/// meaning in HTML or in a log.
fn printable(text: &[u8]) -> String {
    let is_plain = |letter: &char| letter.is_ascii_graphic() && !"<>&\"'`\\".contains(*letter);
    let shown = String::from_utf8_lossy(text);
    shown.chars().take(100).map(|letter| if is_plain(&letter) { letter } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> OriginPolicy {
        OriginPolicy::public(
            "https://chat.example.org",
            "chat.example.org",
            true,
            &["https://app.example.org:8443".into()],
        )
    }

    fn origin(text: &str) -> RequestOrigin {
        RequestOrigin { origins: vec![text.into()], fetch_site: None }
    }

    #[test]
    fn the_own_and_the_allowed_origins_pass() {
        for good in ["https://chat.example.org", "https://chat.example.org.", "https://app.example.org:8443"] {
            assert!(origins().check_origin(&origin(good)).is_ok(), "{good}");
        }
        let loopback = OriginPolicy::loopback(8080, &[]);
        for good in ["http://localhost:8080", "http://localhost.:8080", "http://127.0.0.1:8080", "http://[::1]:8080"] {
            assert!(loopback.check_origin(&origin(good)).is_ok(), "{good}");
        }
        assert!(OriginPolicy::loopback(80, &[]).check_origin(&origin("http://localhost")).is_ok());
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
            "https://chat.example.org..",
            "https://app.example.org.:8443",
            "http://chat.example.org.",
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
            let refusal = origins().check_origin(&origin(bad)).unwrap_err();
            assert!(matches!(refusal, Error::BadOrigin(_)), "{bad}");
            assert!(refusal.detail().is_ascii());
        }
        let twice = RequestOrigin { origins: vec!["https://chat.example.org".into(); 2], fetch_site: None };
        assert!(origins().check_origin(&twice).is_err());
    }

    #[test]
    fn fetch_metadata_decides_only_when_the_origin_is_absent() {
        let fetch = |text: &str| RequestOrigin { origins: vec![], fetch_site: Some(text.into()) };
        assert!(origins().check_origin(&RequestOrigin::default()).is_ok());
        assert!(origins().check_origin(&fetch("same-origin")).is_ok());
        for bad in ["cross-site", "same-site", "none", "", "SAME-ORIGIN"] {
            assert!(origins().check_origin(&fetch(bad)).is_err(), "{bad}");
        }
        let foreign =
            RequestOrigin { origins: vec!["https://evil.example".into()], fetch_site: Some("same-origin".into()) };
        assert!(origins().check_origin(&foreign).is_err(), "the origin header decides");
    }

    fn serves(origins: &OriginPolicy, host: &str) -> bool {
        origins.check_host(Some(host.as_bytes())).is_ok()
    }

    #[test]
    fn only_requests_for_the_configured_host_are_answered() {
        for good in [
            "chat.example.org",
            "CHAT.example.org",
            "chat.example.org:443",
            "chat.example.org.",
            "Chat.example.org.:443",
        ] {
            assert!(serves(&origins(), good), "{good}");
        }
        for bad in [
            "",
            ".",
            ":443",
            "chat.example.org:80",
            "chat.example.org:",
            "chat.example.org:+443",
            "chat.example.org:443:443",
            "chat.example.org:65979",
            "chat.example.org..",
            "evil.example",
            "localhost",
        ] {
            assert!(!serves(&origins(), bad), "{bad}");
        }
        assert!(origins().check_host(None).is_err());
        assert!(origins().check_host(Some(b"chat.example.org\xff")).is_err());
    }

    #[test]
    fn a_default_port_is_that_of_the_scheme() {
        let public = |url: &str, host: &str| OriginPolicy::public(url, host, false, &[]);
        let plain = public("http://chat.example.org", "chat.example.org");
        assert!(serves(&plain, "chat.example.org:80") && !serves(&plain, "chat.example.org:443"));
        let elsewhere = public("http://[2001:db8::1]:8080", "[2001:db8::1]:8080");
        assert!(serves(&elsewhere, "[2001:DB8::1]:8080") && !serves(&elsewhere, "[2001:db8::1]"));
        let loopback = OriginPolicy::loopback(8080, &[]);
        for good in ["localhost:8080", "LOCALHOST.:8080", "[::1]:8080", "127.0.0.1:8080"] {
            assert!(serves(&loopback, good), "{good}");
        }
        for bad in ["localhost", "localhost:8081", "[::1]", "rebound.example:8080"] {
            assert!(!serves(&loopback, bad), "{bad}");
        }
        let usual = OriginPolicy::loopback(80, &[]);
        assert!(serves(&usual, "localhost") && serves(&usual, "localhost:80") && serves(&usual, "[::1]"));
    }

    #[test]
    fn a_refused_host_is_named_safely_with_the_setting() {
        let detail = |host: &[u8]| origins().check_host(Some(host)).unwrap_err().detail().into_owned();
        assert_eq!(
            detail(b"evil.example:8443"),
            "unknown host evil.example:8443; set PUBLIC_URL to the address people use"
        );
        assert_eq!(
            detail(b"<b>\"'&`\\\n\x1b\xff"),
            "unknown host ?b?????????; set PUBLIC_URL to the address people use"
        );
        assert!(detail(&[b'x'; 1000]).len() < 200);
        let detail = origins().check_origin(&origin("https://<evil>.example")).unwrap_err().detail().into_owned();
        assert!(
            detail.starts_with("origin https://?evil?.example is not allowed; add it to ALLOWED_ORIGINS"),
            "{detail}"
        );
    }
}
