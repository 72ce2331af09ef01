//! Types for settings beyond a number or a word: URLs, origins, secrets.
//!
//! Each value is parsed once, into a form that later code can compare or open without parsing it
//! again. Each `Debug` output is safe to log. An ambiguous value is refused, never repaired.

use std::fmt::{self, Debug, Display};
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

pub(super) const REDACTED: &str = "[redacted]";

/// The public address of the hub, as browsers name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
}

impl PublicUrl {
    /// Returns the `Origin` header of the hub's own pages: no path, no default port.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the `Host` header meant for the hub: with its port, unless that is the default.
    pub fn host(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, host)| host)
    }

    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// Returns whether the URL names the client's own machine, so that no traffic leaves it.
    pub fn is_loopback(&self) -> bool {
        let host = match self.host().rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => name,
            _ => self.host(),
        };
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<PublicUrl, String> {
        let is_web = |origin: &String| origin.starts_with("http:") || origin.starts_with("https:");
        let origin = origin(text.strip_suffix('/').unwrap_or(text)).filter(is_web);
        let allowed = "use http:// or https://, a host and, if needed, a port, with nothing after it";
        Ok(PublicUrl { origin: origin.ok_or_else(|| allowed.to_owned())? })
    }
}

/// Parses an origin spelled as in an `Origin` header. Schemes of packaged apps
/// (`capacitor://localhost`) are origins too.
pub(super) fn allowed_origin(text: &str) -> Result<String, String> {
    let allowed = "use exact origins such as https://app.example.org, without wildcard or path";
    origin(text).ok_or_else(|| allowed.to_owned())
}

/// Normalizes an origin. The URL parser repairs what it can (tabs, backslashes, an empty user) and
/// accepts `*` as a host. An origin decides which pages get access, so such text is refused. Only
/// letter case, a default port and an international name are converted to the form that browsers
/// send.
fn origin(text: &str) -> Option<String> {
    let is_doubtful = |c: char| c.is_whitespace() || "@*\\?#,".contains(c);
    let (scheme, rest) = text.split_once("://")?;
    if rest.contains(is_doubtful) || rest.contains('/') {
        return None;
    }
    let url = Url::parse(text).ok().filter(|url| url.scheme().eq_ignore_ascii_case(scheme))?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{host}{port}", url.scheme()))
}

/// The database that holds all data. The scheme alone selects it, because SQLite would accept any
/// text as a file name.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file path as written: relative to the working directory, or absolute.
    Sqlite(PathBuf),
    /// A URL for libpq, including the password.
    Postgres(String),
}

impl DatabaseUrl {
    /// Returns the part of a database setting that may be shown, well formed or not.
    pub(super) fn redact(text: &str) -> String {
        match text.parse::<DatabaseUrl>() {
            Ok(url) => url.to_string(),
            Err(_) if text.starts_with("sqlite:") => text.to_owned(),
            // The position of a password in refused text is unknown: only the scheme is safe.
            Err(_) => match text.find([':', '@', '?', '=']) {
                Some(end) => format!("{}{REDACTED}", &text[..=end]),
                None => text.to_owned(),
            },
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<DatabaseUrl, String> {
        let parsed = match text.split_once(':') {
            Some(("sqlite", path)) => sqlite(path),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => postgres(text),
            _ => Err(""),
        };
        parsed.map_err(|fault| format!("use sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/NAME{fault}"))
    }
}

fn sqlite(path: &str) -> Result<DatabaseUrl, &'static str> {
    if path.contains(":memory:") {
        return Err("; in memory, each connection of the pool would have its own database");
    }
    match path.strip_prefix("//") {
        None => Err("; put two slashes before PATH"),
        Some(path) if path.is_empty() || path.ends_with('/') => Err("; PATH must name a file"),
        // SQLite would read such a name as a URL and open a different file.
        Some(path) if path.starts_with("file:") || path.contains('?') => {
            Err("; PATH is a plain path, without file: or parameters")
        }
        Some(path) => Ok(DatabaseUrl::Sqlite(path.into())),
    }
}

fn postgres(text: &str) -> Result<DatabaseUrl, &'static str> {
    match shown_postgres(text) {
        Some(_) => Ok(DatabaseUrl::Postgres(text.to_owned())),
        None => Err("; PORT is a number, and @ / ? # in a PASSWORD are written %40 %2F %3F %23"),
    }
}

/// Shows the location of the database without credentials: no password, no parameters.
impl Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            DatabaseUrl::Postgres(text) => f.write_str(&shown_postgres(text).unwrap_or(REDACTED.to_owned())),
        }
    }
}

impl Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Returns a Postgres URL without its password and parameters. Returns none when the URL cannot be
/// split reliably as libpq splits it. A stray `@`, `/`, `?` or `#` in a password moves the split.
/// Part of the password would then appear as a host or a name.
fn shown_postgres(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, hosts) = match authority.split_once('@') {
        Some((credentials, hosts)) => match credentials.split_once(':') {
            Some((user, _)) => (format!("{user}:{REDACTED}@"), hosts),
            None => (format!("{credentials}@"), hosts),
        },
        None => (String::new(), authority),
    };
    if hosts.contains('@') || tail.contains(['@', '#']) || !hosts.split(',').all(has_a_port_or_none) {
        return None;
    }
    let name = match tail.split_once('?') {
        Some((name, _)) => format!("{name}?{REDACTED}"),
        None => tail.to_owned(),
    };
    Some(format!("{scheme}://{user}{hosts}{name}"))
}

/// Accepts `db`, `db:5432`, `[::1]` or `[::1]:5432`, but not `user:password`.
fn has_a_port_or_none(host: &str) -> bool {
    let after_address = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    match after_address.split_once(':') {
        Some((_, port)) => port.is_empty() || port.parse::<u16>().is_ok(),
        None => true,
    }
}

/// A key that the operator chose: 32 bytes or more, and no published sample.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    const MIN_BYTES: usize = 32;

    /// Words of the sample keys in manuals, without case and punctuation. A random key of 64
    /// letters and digits contains one of them less than once in ten million keys.
    const SAMPLE_WORDS: [&str; 8] =
        ["changeme", "replaceme", "placeholder", "example", "secret", "password", "12345678", "abcdefgh"];

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn is_sample(text: &str) -> bool {
        let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        let plain = plain.to_ascii_lowercase();
        Secret::SAMPLE_WORDS.iter().any(|word| plain.contains(word)) || repeats(text.as_bytes())
    }
}

/// Returns whether the text repeats one shorter text: `aaaa`, `0123401234`.
fn repeats(text: &[u8]) -> bool {
    (1..=text.len() / 2).any(|period| text[period..] == text[..text.len() - period])
}

impl FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Secret, String> {
        if text.len() < Secret::MIN_BYTES || Secret::is_sample(text) {
            let min = Secret::MIN_BYTES;
            return Err(format!("use {min} random bytes or more, and no published example: openssl rand -base64 48"));
        }
        Ok(Secret(text.to_owned()))
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Parses a secret that must also fit an `Authorization` header.
pub(super) fn bearer_secret(text: &str) -> Result<Secret, String> {
    let secret = text.parse()?;
    let fits = text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(secret).ok_or_else(|| "use visible ASCII characters without a space".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn public_url(text: &str) -> PublicUrl {
        text.parse().unwrap_or_else(|allowed| panic!("{text}: {allowed}"))
    }

    #[test]
    fn a_public_url_yields_the_origin_and_host_browsers_send() {
        for (text, origin, host) in [
            ("https://chat.example.org", "https://chat.example.org", "chat.example.org"),
            ("https://chat.example.org/", "https://chat.example.org", "chat.example.org"),
            ("HTTPS://Chat.Example.Org:443", "https://chat.example.org", "chat.example.org"),
            ("http://chat.example.org:80", "http://chat.example.org", "chat.example.org"),
            ("https://chat.example.org:8443/", "https://chat.example.org:8443", "chat.example.org:8443"),
            ("http://localhost:443", "http://localhost:443", "localhost:443"),
            ("http://[::1]:8080", "http://[::1]:8080", "[::1]:8080"),
            ("https://bücher.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            let url = public_url(text);
            assert_eq!((url.origin(), url.host()), (origin, host));
            assert_eq!(url.is_https(), origin.starts_with("https://"));
        }
    }

    #[test]
    fn a_loopback_public_url_is_recognized() {
        for text in [
            "http://localhost",
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "http://127.1.2.3",
            "http://[::1]",
            "http://[::1]:80",
            "http://chat.localhost:8080",
        ] {
            assert!(public_url(text).is_loopback(), "{text}");
        }
        for text in [
            "http://chat.example.org",
            "http://192.0.2.1:8080",
            "http://[2001:db8::1]",
            "http://localhost.example.org",
            "http://notlocalhost",
        ] {
            assert!(!public_url(text).is_loopback(), "{text}");
        }
    }

    #[test]
    fn a_public_url_may_only_have_scheme_host_and_port() {
        for text in [
            "chat.example.org",
            "//chat.example.org",
            "https:chat.example.org",
            "https:/chat.example.org",
            "https://",
            "https:///",
            "https:///chat.example.org",
            "https://chat.example.org/chat",
            "https://chat.example.org//",
            "https://chat.example.org?",
            "https://chat.example.org#",
            "https://ann@chat.example.org",
            "https://@chat.example.org",
            "https://chat.example.org\\",
            "https://chat.exam\tple.org",
            "https://a b",
            "https://*.example.org",
            "https://chat.example.org:99999",
            "ws://chat.example.org",
            "capacitor://localhost",
            "blob:https://chat.example.org",
            "file:///srv/chat",
        ] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_allowed_origin_is_exact() {
        for (text, origin) in [
            ("https://app.example.org", "https://app.example.org"),
            ("https://App.example.org:443", "https://app.example.org"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(allowed_origin(text).as_deref(), Ok(origin));
        }
        for text in [
            "*",
            "null",
            "https://*",
            "https://*.example.org",
            "https://app.example.org/",
            "app.example.org",
            "file:///",
        ] {
            assert!(allowed_origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_sqlite_path_is_used_verbatim() {
        for (text, path) in [
            ("sqlite:///srv/chat.db", "/srv/chat.db"),
            ("sqlite://data/chat.db", "data/chat.db"),
            ("sqlite://a%20b", "a%20b"),
        ] {
            let url: DatabaseUrl = text.parse().expect(text);
            assert_eq!(url, DatabaseUrl::Sqlite(path.into()));
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn a_postgres_url_is_kept_whole_and_shown_without_its_password() {
        for (text, shown) in [
            ("postgres://db/chat", "postgres://db/chat"),
            ("postgresql:///chat", "postgresql:///chat"),
            ("postgres://app@db:5432/chat", "postgres://app@db:5432/chat"),
            ("postgres://app:p%40ss:w,ord@db:5432/chat", "postgres://app:[redacted]@db:5432/chat"),
            (
                "postgres://app:x@[::1]:5432,b:5433/chat?password=y",
                "postgres://app:[redacted]@[::1]:5432,b:5433/chat?[redacted]",
            ),
        ] {
            let url: DatabaseUrl = text.parse().expect(text);
            assert_eq!(url, DatabaseUrl::Postgres(text.to_owned()));
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("{shown:?}"));
        }
    }

    #[test]
    fn a_database_url_that_cannot_work_is_refused_with_the_reason() {
        for (text, reason) in [
            ("sqlite::memory:", "in memory"),
            ("sqlite://:memory:", "in memory"),
            ("sqlite://file::memory:?cache=shared", "in memory"),
            ("sqlite:", "two slashes"),
            ("sqlite://", "must name a file"),
            ("sqlite:///", "must name a file"),
            ("sqlite://data/", "must name a file"),
            ("sqlite://chat.db?mode=rwc", "plain path"),
            ("sqlite://file:chat.db", "plain path"),
            ("sqlite:chat.db", "two slashes"),
            ("chat.db", "sqlite://PATH or postgres://"),
            ("mysql://db/chat", "sqlite://PATH or postgres://"),
            ("POSTGRES://db/chat", "sqlite://PATH or postgres://"),
            ("postgres://app:hunter2/chat", "PORT is a number"),
            ("postgres://app:a@b@db/chat", "%40"),
            ("postgres://app:a/b@db/chat", "%40"),
        ] {
            let allowed = text.parse::<DatabaseUrl>().expect_err(text);
            assert!(allowed.contains(reason), "{text}: {allowed}");
        }
    }

    #[test]
    fn a_secret_has_at_least_32_bytes() {
        let key = "Zk3vT9qLw1xR7bNs5mYc8hJd2fGp4aUe";
        assert_eq!(key.parse::<Secret>().map(|secret| secret.as_bytes().len()), Ok(32));
        assert!(key[1..].parse::<Secret>().is_err());
        assert!("Zk3vT9qLw1xR7bNs5mYc8hJd2fGp4ü".parse::<Secret>().is_err(), "31 bytes");
        assert!("Zk3vT9qLw1xR7bNs5mYc8hJd2fGp4aü".parse::<Secret>().is_ok(), "31 characters, 32 bytes");
    }

    #[test]
    fn a_sample_secret_is_refused() {
        for text in [
            "change-me-change-me-please-1234-abcd",
            "CHANGE_ME_to_32_random_bytes_or_more",
            "secretsecretsecretsecretsecretsec",
            "a-string-secret-at-least-256-bits-long",
            "your-256-bit-secret-your-256-bit-secret",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "0123456789abcdef0123456789abcdef",
            "correct-horse-battery-staple-pass-word-1",
            "zyxwvutsrqzyxwvutsrqzyxwvutsrqzyx",
        ] {
            assert!(text.parse::<Secret>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_bearer_secret_fits_a_header() {
        assert!(bearer_secret("Zk3vT9qLw1xR7bNs5mYc8hJd2fGp4aUe").is_ok());
        assert!(bearer_secret("Zk3vT9qLw1xR7b Ns5mYc8hJd2fGp4aUe").is_err());
        assert!(bearer_secret("Zk3vT9qLw1xR7büNs5mYc8hJd2fGp4aUe").is_err());
    }

    proptest! {
        #[test]
        fn no_part_of_a_password_in_a_url_is_shown(
            before in "[a-z0-9@/?#:%&=,\\[\\]]{0,6}",
            after in "[a-z0-9@/?#:%&=,\\[\\]]{0,6}",
            scheme in "(postgres|postgresql|mysql|redis)",
        ) {
            for text in [
                format!("{scheme}://app:{before}hunter{after}@db:5432/chat"),
                format!("{scheme}://app@db/chat?password={before}hunter{after}"),
                format!("host=db password={before}hunter{after}"),
            ] {
                prop_assert!(!DatabaseUrl::redact(&text).contains("hunter"), "{}", text);
            }
        }
    }
}
