//! What the operator decides: read once from the environment and `.env`, validated, immutable
//! afterwards.
//!
//! Owns every variable's name, default and bounds; they stand in one table, `Config::read`. `main`
//! calls `load` with the text of `.env`, tests call `from_lookup`, and nobody else reads the
//! environment. It opens no file, socket or database, and never prints a secret: not in `Debug`,
//! not in `effective()`, not in a refusal.

mod dot_env;
mod reader;
mod values;

use std::env::{self, VarError};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use dot_env::{DotEnv, near_misses};
pub use reader::BadSetting;
use reader::{HIDDEN, Line, Reader, cidr, claim, directory, log_filter, one_of, span, whole};
pub use values::{DatabaseUrl, PublicUrl, Secret};
use values::{allowed_origin, bearer_secret};

/// Bytes that JSON may spend on one character: a pair of escaped surrogates, `\ud83d\ude00`.
const ESCAPED_CHAR_BYTES: usize = 12;

/// Bytes kept for what surrounds the content of a message: its keys, ids, `ref` and
/// `client_message_id`, which need about 300 when they are not escaped needlessly.
const ENVELOPE_BYTES: usize = 1024;

/// Every setting, by the part of the hub that obeys it.
#[derive(Clone, Debug)]
pub struct Config {
    pub http: Http,
    pub socket: Socket,
    pub hub: Hub,
    pub store: Store,
    pub auth: Auth,
    pub messages: Messages,
    /// `RUST_LOG`: a filter as `env_logger` understands it.
    pub log_filter: String,
    /// Variables that were set and are well formed, but change nothing in this version.
    pub without_effect: Vec<&'static str>,
    /// Variables of the environment that are not settings, and the settings they are probably meant
    /// for.
    pub misspelled: Vec<(String, &'static str)>,
    lines: Vec<Line>,
}

/// Where the hub is reached, and whom it believes.
#[derive(Clone, Debug)]
pub struct Http {
    /// `BIND`: where HTTP and WebSocket are served; port 0 picks a free one.
    pub bind: SocketAddr,
    /// `PUBLIC_URL`: the hub's own origin and the one `Host` it answers to; none: loopback names.
    pub public_url: Option<PublicUrl>,
    /// `ALLOWED_ORIGINS`: origins besides the hub's own, in the spelling of an `Origin` header.
    pub allowed_origins: Vec<String>,
    /// `TRUSTED_PROXIES`: peers that are believed when they name the client's address.
    pub trusted_proxies: Vec<IpNet>,
    /// `PROXY_HEADER`: where they name it.
    pub proxy_header: ProxyHeader,
    /// `WORKERS`: HTTP worker threads, 1 to 256; none: by the cores.
    pub workers: Option<NonZeroUsize>,
    /// `SHUTDOWN_GRACE`: time to drain on SIGTERM, 0s to 5m.
    pub shutdown_grace: Duration,
    /// `REQUEST_RATE`: requests a second of one login, 1 to 1,000,000; twenty times that for one
    /// address.
    pub request_rate: NonZeroU32,
    /// `REQUEST_BURST`: requests at once, likewise.
    pub request_burst: NonZeroU32,
}

/// What one socket may do, and when it counts as dead.
#[derive(Clone, Debug)]
pub struct Socket {
    /// `MAX_FRAME_BYTES`: bytes of a whole message after reassembly, and of an HTTP body; 4 KiB to
    /// 16 MiB, and always enough for `max_chars` characters of content.
    pub max_frame_bytes: usize,
    /// `FRAME_RATE`: frames of any kind a second for one socket, 1 to 1,000,000.
    pub frame_rate: NonZeroU32,
    /// `FRAME_BURST`: frames at once for one socket, 1 to 1,000,000.
    pub frame_burst: NonZeroU32,
    /// `HEARTBEAT_INTERVAL`: between two protocol pings, 100ms to 10m.
    pub heartbeat_interval: Duration,
    /// `HEARTBEAT_TIMEOUT`: silence after which a socket is dead, longer than the interval, at
    /// most 30m.
    pub heartbeat_timeout: Duration,
    /// `OUTBOX_BYTES`: bytes that may wait for a peer to read them, 4 KiB to 1 GiB.
    pub outbox_bytes: usize,
    /// `OUTBOX_AGE`: how long the oldest of them may wait, 1s to 10m.
    pub outbox_age: Duration,
    /// `MAX_SOCKETS_PER_USER`: at most 10,000; 0: no limit.
    pub max_sockets_per_user: usize,
    /// `MAX_SOCKETS_PER_ADDRESS`: at most 1,000,000; 0: no limit.
    pub max_sockets_per_address: usize,
    /// `AUTH_TIMEOUT`: for a socket that says by a frame who it is, 100ms to 5m.
    pub auth_timeout: Duration,
}

/// How long presence and typing outlive their last sign.
#[derive(Clone, Debug)]
pub struct Hub {
    /// `PRESENCE_GRACE`: an absence shorter than this is not announced, 0s to 5m.
    pub presence_grace: Duration,
    /// `TYPING_TIMEOUT`: silence after which a typist has stopped, 100ms to 1m.
    pub typing_timeout: Duration,
}

/// Where everything lasting is kept.
#[derive(Clone, Debug)]
pub struct Store {
    /// `DATA_DIR`: embedded database and generated secrets; not looked at here.
    pub data_dir: PathBuf,
    /// `DATABASE_URL`: by default `switchboard.db` in `data_dir`.
    pub database: DatabaseUrl,
    /// `DATABASE_POOL`: connections that read, besides the one that writes, 1 to 256.
    pub pool: u32,
}

/// How people get in and stay in.
#[derive(Clone, Debug)]
pub struct Auth {
    /// `REGISTRATION`.
    pub registration: Registration,
    /// `LOGIN_LIFETIME`: how long an unused login stays valid, 10m to 400d.
    pub login_lifetime: Duration,
    /// `JWT_SECRET`: the key of access tokens; none: made once and kept in `data_dir`.
    pub jwt_secret: Option<Secret>,
    /// `JWT_SECRET_PREVIOUS`: still verifies, never signs; for a rotation.
    pub jwt_secret_previous: Option<Secret>,
    /// The other system whose tokens are good here.
    pub external: Option<ExternalIssuer>,
}

/// Another system that signs tokens; all three are set, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalIssuer {
    /// `JWT_PUBLIC_KEY_FILE`: not opened here.
    pub key_file: PathBuf,
    /// `JWT_ISSUER`: what its tokens say in `iss`.
    pub issuer: String,
    /// `JWT_AUDIENCE`: what they say in `aud`, which is this hub.
    pub audience: String,
}

/// What people may send to whom, and how fast.
#[derive(Clone, Debug)]
pub struct Messages {
    /// `MESSAGE_POLICY`.
    pub policy: MessagePolicy,
    /// `MAX_MESSAGE_CHARS`: Unicode scalar values in one message, 1 to 100,000.
    pub max_chars: usize,
    /// `MESSAGE_RATE`: messages a second for one user over all doors, 1 to 1,000,000.
    pub rate: NonZeroU32,
    /// `MESSAGE_BURST`: messages at once for one user, 1 to 1,000,000.
    pub burst: NonZeroU32,
    /// `MAX_PARTICIPANTS`: people in one group, 2 to 100,000.
    pub max_participants: usize,
    /// `REPORT_RETENTION`: how long a report keeps the text that was reported, 1h to 3650d.
    pub report_retention: Duration,
}

/// `PROXY_HEADER`: the header in which the proxies name the client. The other one is never read: a
/// client can send it, and a proxy that does not know it passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, which nearly every proxy writes.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// `REGISTRATION`: who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Anyone may register.
    Open,
    /// Nobody may; who has an account keeps it.
    Closed,
}

/// `MESSAGE_POLICY`: who may write to whom, blocks aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessagePolicy {
    /// Anyone may write to, or add, anyone who has not blocked them.
    Open,
    /// Only people who have them as a contact, or wrote to them before.
    Contacts,
}

impl Config {
    /// The settings of this process: those of the environment, and of `dot_env`, the text of `.env`,
    /// those that the environment does not have.
    ///
    /// # Errors
    /// One sentence that names the variable, and the line where it stands in `.env`.
    pub fn load(dot_env: &str) -> Result<Config, String> {
        let defaults = Config::read(&|_| Ok(None)).map_err(|bad| bad.to_string())?;
        let known: Vec<&'static str> = defaults.lines.iter().map(|line| line.name).collect();
        let file = DotEnv::parse(dot_env, &known)?;
        let config = Config::read(&|name| match env::var(name) {
            Ok(text) => Ok(Some(text)),
            Err(VarError::NotPresent) => Ok(file.value(name)),
            Err(VarError::NotUnicode(raw)) => Err(raw),
        });
        let config =
            config.map_err(|bad| match file.line(bad.variable).filter(|_| env::var_os(bad.variable).is_none()) {
                Some(line) => format!(".env, line {line}: {bad}"),
                None => bad.to_string(),
            })?;
        let environment = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        Ok(Config { misspelled: near_misses(environment, &known), ..config })
    }

    /// The settings that `get` gives, by the same rules; `None` and blank text mean the default.
    pub fn from_lookup(get: impl Fn(&str) -> Option<String>) -> Result<Config, BadSetting> {
        Config::read(&|name| Ok(get(name)))
    }

    /// `NAME=value` for every setting in effect, secrets redacted: what start-up logs.
    pub fn effective(&self) -> impl Iterator<Item = String> {
        let in_effect = self.lines.iter().filter(|line| line.in_effect);
        in_effect.map(|line| format!("{}={}", line.name, line.value))
    }

    /// The table. A line names a variable, its default and its rule; a rule holds the bounds, both
    /// ends included. `optional`, `secret` and `list` are empty by default.
    fn read(lookup: &dyn Fn(&'static str) -> Result<Option<String>, OsString>) -> Result<Config, BadSetting> {
        let env = &mut Reader::new(lookup);

        let http = Http {
            bind: env.required("BIND", "127.0.0.1:8080", |text| {
                let allowed = "an IP address and a port, such as 127.0.0.1:8080";
                text.parse().map_err(|_| allowed.to_owned())
            })?,
            public_url: env.optional("PUBLIC_URL", PublicUrl::from_str)?,
            allowed_origins: env.list("ALLOWED_ORIGINS", allowed_origin)?,
            trusted_proxies: env.list("TRUSTED_PROXIES", cidr)?,
            proxy_header: env.required(
                "PROXY_HEADER",
                "x-forwarded-for",
                one_of([("x-forwarded-for", ProxyHeader::XForwardedFor), ("forwarded", ProxyHeader::Forwarded)]),
            )?,
            workers: env.optional("WORKERS", whole(1..=256))?,
            shutdown_grace: env.required("SHUTDOWN_GRACE", "10s", span("0s", "5m"))?,
            request_rate: env.required("REQUEST_RATE", "50", whole(1..=1_000_000))?,
            request_burst: env.required("REQUEST_BURST", "100", whole(1..=1_000_000))?,
        };
        let data_dir = env.required("DATA_DIR", "data", directory)?;
        let own_database = DatabaseUrl::Sqlite(data_dir.join("switchboard.db")).to_string();
        let store = Store {
            data_dir,
            database: env.database("DATABASE_URL", &own_database)?,
            pool: env.required("DATABASE_POOL", "8", whole(1..=256))?,
        };
        let auth = Auth {
            registration: env.required(
                "REGISTRATION",
                "open",
                one_of([("open", Registration::Open), ("closed", Registration::Closed)]),
            )?,
            // The use of a login is written down every five minutes at most, so a shorter lifetime
            // would end logins that are in use. Browsers forget a cookie after 400 days.
            login_lifetime: env.required("LOGIN_LIFETIME", "14d", span("10m", "400d"))?,
            jwt_secret: env.secret("JWT_SECRET", Secret::from_str)?,
            jwt_secret_previous: env.secret("JWT_SECRET_PREVIOUS", Secret::from_str)?,
            external: external_issuer(env)?,
        };
        let messages = Messages {
            policy: env.required(
                "MESSAGE_POLICY",
                "open",
                one_of([("open", MessagePolicy::Open), ("contacts", MessagePolicy::Contacts)]),
            )?,
            max_chars: env.required("MAX_MESSAGE_CHARS", "1000", whole(1..=100_000))?,
            rate: env.required("MESSAGE_RATE", "10", whole(1..=1_000_000))?,
            burst: env.required("MESSAGE_BURST", "20", whole(1..=1_000_000))?,
            max_participants: env.required("MAX_PARTICIPANTS", "1000", whole(2..=100_000))?,
            report_retention: env.required("REPORT_RETENTION", "180d", span("1h", "3650d"))?,
        };
        let socket = Socket {
            // 4096 holds a registration whose password has 256 characters, all of them escaped.
            max_frame_bytes: env.required("MAX_FRAME_BYTES", "65536", whole(4096..=16 << 20))?,
            frame_rate: env.required("FRAME_RATE", "50", whole(1..=1_000_000))?,
            frame_burst: env.required("FRAME_BURST", "100", whole(1..=1_000_000))?,
            heartbeat_interval: env.required("HEARTBEAT_INTERVAL", "15s", span("100ms", "10m"))?,
            heartbeat_timeout: env.required("HEARTBEAT_TIMEOUT", "40s", span("200ms", "30m"))?,
            outbox_bytes: env.required("OUTBOX_BYTES", "131072", whole(4096..=1 << 30))?,
            outbox_age: env.required("OUTBOX_AGE", "20s", span("1s", "10m"))?,
            max_sockets_per_user: env.required("MAX_SOCKETS_PER_USER", "32", whole(0..=10_000))?,
            max_sockets_per_address: env.required("MAX_SOCKETS_PER_ADDRESS", "0", whole(0..=1_000_000))?,
            auth_timeout: env.required("AUTH_TIMEOUT", "10s", span("100ms", "5m"))?,
        };
        let hub = Hub {
            presence_grace: env.required("PRESENCE_GRACE", "3s", span("0s", "5m"))?,
            typing_timeout: env.required("TYPING_TIMEOUT", "3s", span("100ms", "1m"))?,
        };
        let log_filter = env.required("RUST_LOG", "info", log_filter)?;

        // Checked already, so that a file written for a later version fails today, not then.
        env.in_effect = false;
        env.secret("METRICS_TOKEN", bearer_secret)?;

        // To ignore it would split a hub that its operator believes to be joined.
        env.refuse("REDIS_URL", HIDDEN, "this version runs as one node")?;

        if socket.heartbeat_timeout <= socket.heartbeat_interval {
            let interval = env.shown("HEARTBEAT_INTERVAL");
            let allowed = format!("longer than HEARTBEAT_INTERVAL, which is {interval}");
            return Err(env.bad("HEARTBEAT_TIMEOUT", allowed));
        }
        // A message that the hub would store must fit the frame that brings it, however a client
        // escapes it; otherwise some texts within the limit would close the socket.
        let needed = messages.max_chars * ESCAPED_CHAR_BYTES + ENVELOPE_BYTES;
        if socket.max_frame_bytes < needed {
            let chars = messages.max_chars;
            let allowed = format!("{needed} or more, to hold MAX_MESSAGE_CHARS ({chars}) escaped");
            return Err(env.bad("MAX_FRAME_BYTES", allowed));
        }

        let without_effect = env.set_without_effect();
        let lines = env.take_lines();
        Ok(Config {
            http,
            socket,
            hub,
            store,
            auth,
            messages,
            log_filter,
            without_effect,
            misspelled: Vec::new(),
            lines,
        })
    }
}

/// Each of the three means something only with the others.
fn external_issuer(env: &mut Reader) -> Result<Option<ExternalIssuer>, BadSetting> {
    const NAMES: [&str; 3] = ["JWT_PUBLIC_KEY_FILE", "JWT_ISSUER", "JWT_AUDIENCE"];
    let [file, issuer, audience] = NAMES;
    let key_file = env.optional(file, |text| Ok(PathBuf::from(text)))?;
    match (key_file, env.optional(issuer, claim)?, env.optional(audience, claim)?) {
        (Some(key_file), Some(issuer), Some(audience)) => Ok(Some(ExternalIssuer { key_file, issuer, audience })),
        (None, None, None) => Ok(None),
        _ => {
            let (set, empty): (Vec<_>, Vec<_>) = NAMES.into_iter().partition(|name| !env.shown(name).is_empty());
            Err(env.bad(set[0], format!("only together with {}", empty.join(" and "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::os::unix::ffi::OsStringExt;

    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = include_str!("../../.env.example");
    const KEY: &str = "Zk3vT9qLw1xR7bNs5mYc8hJd2fGp4aUe";

    type Settings<'a> = &'a [(&'a str, &'a str)];

    fn config(settings: Settings) -> Result<Config, BadSetting> {
        let value = |name: &str| settings.iter().find(|(given, _)| *given == name);
        Config::from_lookup(|name| value(name).map(|(_, text)| text.to_string()))
    }

    fn refusal(settings: Settings) -> BadSetting {
        config(settings).expect_err(&format!("{settings:?} is refused"))
    }

    /// Every variable that the code asks for.
    fn names() -> Vec<String> {
        let asked = RefCell::new(Vec::new());
        Config::from_lookup(|name| {
            asked.borrow_mut().push(name.to_owned());
            None
        })
        .expect("the defaults are allowed");
        asked.into_inner()
    }

    /// `NAME=value` of a part of `.env.example`, without the comment sign.
    fn listed(text: &str) -> BTreeMap<&str, &str> {
        let assignments = text.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
        assignments.filter(|(name, _)| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')).collect()
    }

    /// The parts of `.env.example`: in effect, without effect, refused.
    fn parts() -> [&'static str; 3] {
        let (in_effect, rest) = EXAMPLE.split_once("# Without effect in this version").expect("a second part");
        let (idle, refused) = rest.split_once("# Refused in this version").expect("a third part");
        [in_effect, idle, refused]
    }

    #[test]
    fn without_any_variable_the_documented_defaults_hold() {
        let config = config(&[]).expect("the defaults are allowed");
        assert_eq!(config.http.bind.to_string(), "127.0.0.1:8080");
        assert_eq!(config.http.public_url, None);
        assert!(config.http.allowed_origins.is_empty() && config.http.trusted_proxies.is_empty());
        assert_eq!((config.http.workers, config.http.shutdown_grace.as_secs()), (None, 10));
        assert_eq!((config.socket.max_frame_bytes, config.socket.max_sockets_per_user), (65_536, 32));
        assert_eq!((config.socket.frame_rate.get(), config.socket.frame_burst.get()), (50, 100));
        assert_eq!((config.http.request_rate.get(), config.http.request_burst.get()), (50, 100));
        assert_eq!(config.socket.heartbeat_interval.as_secs(), 15);
        assert_eq!(config.socket.heartbeat_timeout.as_secs(), 40);
        assert_eq!((config.hub.presence_grace.as_secs(), config.hub.typing_timeout.as_secs()), (3, 3));
        assert_eq!(config.store.database, DatabaseUrl::Sqlite("data/switchboard.db".into()));
        assert_eq!((config.store.data_dir, config.store.pool), ("data".into(), 8));
        assert_eq!(config.auth.registration, Registration::Open);
        assert_eq!(config.auth.login_lifetime.as_secs(), 14 * 24 * 3600);
        assert!(config.auth.jwt_secret.is_none() && config.auth.jwt_secret_previous.is_none());
        assert_eq!((config.messages.policy, config.messages.max_chars), (MessagePolicy::Open, 1000));
        assert_eq!((config.messages.rate.get(), config.messages.burst.get()), (10, 20));
        assert_eq!(config.log_filter, "info");
        assert!(config.without_effect.is_empty());
    }

    #[test]
    fn blank_text_counts_as_unset_and_space_around_a_value_as_nothing() {
        let config = config(&[("DATABASE_POOL", " "), ("MAX_PARTICIPANTS", ""), ("REGISTRATION", " closed\n")]);
        let config = config.expect("blank is unset");
        assert_eq!((config.store.pool, config.auth.registration), (8, Registration::Closed));
        assert!(config.without_effect.is_empty());
    }

    #[test]
    fn the_embedded_database_lives_in_the_data_directory() {
        let config = config(&[("DATA_DIR", "/srv/chat/")]).expect("an absolute directory");
        assert_eq!(config.store.database, DatabaseUrl::Sqlite("/srv/chat/switchboard.db".into()));
    }

    /// For each variable: what must go with it, values just inside its bounds, values just outside.
    const BOUNDS: &[(&str, Settings, &[&str], &[&str])] = &[
        ("BIND", &[], &["0.0.0.0:0", "[::1]:65535"], &["localhost:8080", "127.0.0.1", "127.0.0.1:65536", ":80"]),
        ("PUBLIC_URL", &[], &["https://chat.example.org", "http://[::1]:8080/"], &["chat.example.org", "ftp://a.org"]),
        ("ALLOWED_ORIGINS", &[], &["https://a.org, http://b.org:81"], &["*", "null", "https://a.org,b.org"]),
        ("TRUSTED_PROXIES", &[], &["10.0.0.0/8,::1", "0.0.0.0/0"], &["10.0.0.0/33", "proxy", "10.0.0.1,x"]),
        ("PROXY_HEADER", &[], &["x-forwarded-for", "forwarded"], &["Forwarded", "x-real-ip"]),
        ("WORKERS", &[], &["1", "256"], &["0", "257", "all"]),
        ("SHUTDOWN_GRACE", &[], &["0s", "5m"], &["301s", "-1s", "10"]),
        ("DATA_DIR", &[], &["data", "/var/lib/switchboard"], &["data?", ":memory:", "file:data"]),
        ("DATABASE_POOL", &[], &["1", "256"], &["0", "257", "1.5"]),
        ("REGISTRATION", &[], &["open", "closed"], &["Open", "no"]),
        ("LOGIN_LIFETIME", &[], &["10m", "400d"], &["599s", "401d", "1h 30m", "2weeks"]),
        ("MESSAGE_POLICY", &[], &["open", "contacts"], &["friends"]),
        ("MAX_MESSAGE_CHARS", &[("MAX_FRAME_BYTES", "16777216")], &["1", "100000"], &["0", "100001", "1e3"]),
        ("MESSAGE_RATE", &[], &["1", "1000000"], &["0", "1000001"]),
        ("MESSAGE_BURST", &[], &["1", "1000000"], &["0", "1000001"]),
        ("MAX_FRAME_BYTES", &[("MAX_MESSAGE_CHARS", "1")], &["4096", "16777216"], &["4095", "16777217", "64K"]),
        ("REQUEST_RATE", &[], &["1", "1000000"], &["0", "1000001"]),
        ("REQUEST_BURST", &[], &["1", "1000000"], &["0", "1000001"]),
        ("FRAME_RATE", &[], &["1", "1000000"], &["0", "1000001"]),
        ("FRAME_BURST", &[], &["1", "1000000"], &["0", "1000001"]),
        ("HEARTBEAT_INTERVAL", &[("HEARTBEAT_TIMEOUT", "30m")], &["100ms", "10m"], &["99ms", "601s", "15"]),
        ("HEARTBEAT_TIMEOUT", &[("HEARTBEAT_INTERVAL", "100ms")], &["200ms", "30m"], &["199ms", "1801s"]),
        ("MAX_SOCKETS_PER_USER", &[], &["0", "10000"], &["-1", "10001"]),
        ("PRESENCE_GRACE", &[], &["0s", "5m"], &["300001ms", "3 s"]),
        ("TYPING_TIMEOUT", &[], &["100ms", "1m"], &["99ms", "61s"]),
        ("RUST_LOG", &[], &["off", "warn,switchboard::hub=debug/alice"], &["info,hub=loud", "a=b=c", "info/a/b"]),
        ("AUTH_TIMEOUT", &[], &["100ms", "5m"], &["99ms", "301s"]),
        ("OUTBOX_BYTES", &[], &["4096", "1073741824"], &["4095", "1073741825"]),
        ("OUTBOX_AGE", &[], &["1s", "10m"], &["999ms", "601s"]),
        ("MAX_SOCKETS_PER_ADDRESS", &[], &["0", "1000000"], &["-1", "1000001"]),
        ("MAX_PARTICIPANTS", &[], &["2", "100000"], &["1", "100001"]),
        ("REPORT_RETENTION", &[], &["1h", "3650d"], &["59m", "3651d", "180"]),
        (
            "JWT_PUBLIC_KEY_FILE",
            &[("JWT_ISSUER", "https://id.example.org"), ("JWT_AUDIENCE", "chat")],
            &["key.pem", "/etc/switchboard/keys.pem"],
            &[],
        ),
        (
            "JWT_ISSUER",
            &[("JWT_PUBLIC_KEY_FILE", "key.pem"), ("JWT_AUDIENCE", "chat")],
            &["https://id.example.org", LONGEST_CLAIM],
            &[TOO_LONG_CLAIM, "a\nb"],
        ),
        (
            "JWT_AUDIENCE",
            &[("JWT_PUBLIC_KEY_FILE", "key.pem"), ("JWT_ISSUER", "id")],
            &["chat", LONGEST_CLAIM],
            &[TOO_LONG_CLAIM],
        ),
    ];

    const TOO_LONG_CLAIM: &str = match str::from_utf8(&[b'x'; 256]) {
        Ok(text) => text,
        Err(_) => "",
    };
    const LONGEST_CLAIM: &str = TOO_LONG_CLAIM.split_at(255).0;

    /// Variables whose text may not be shown, tested in `a_refusal_never_shows_a_secret`.
    const CONFIDENTIAL: [&str; 5] = ["DATABASE_URL", "JWT_SECRET", "JWT_SECRET_PREVIOUS", "METRICS_TOKEN", "REDIS_URL"];

    #[test]
    fn every_variable_has_its_bounds_tested() {
        let mut tested: Vec<&str> = BOUNDS.iter().map(|row| row.0).chain(CONFIDENTIAL).collect();
        let mut read = names();
        tested.sort();
        read.sort();
        assert_eq!(tested, read);
    }

    #[test]
    fn a_value_on_its_bound_is_taken() {
        for (name, with, inside, _) in BOUNDS {
            for value in *inside {
                let settings = [&[(*name, *value)], *with].concat();
                let config = config(&settings).unwrap_or_else(|refusal| panic!("{refusal}"));
                let line = config.lines.iter().find(|line| line.name == *name).expect("a line");
                assert_eq!((&*line.value, line.is_set), (*value, true));
            }
        }
    }

    #[test]
    fn a_value_beyond_its_bound_is_refused_by_name_value_and_what_is_allowed() {
        for (name, with, _, outside) in BOUNDS {
            for value in *outside {
                let refusal = refusal(&[&[(*name, *value)], *with].concat());
                assert_eq!((refusal.variable, refusal.value.as_deref()), (*name, Some(*value)));
                assert!(refusal.allowed.len() > 10, "{refusal} says what is allowed");
            }
        }
    }

    #[test]
    fn a_refusal_is_one_sentence() {
        let sentence = |settings| refusal(settings).to_string();
        assert_eq!(
            sentence(&[("BIND", "foo")]),
            r#"BIND="foo" is not allowed: an IP address and a port, such as 127.0.0.1:8080"#
        );
        assert_eq!(
            sentence(&[("PRESENCE_GRACE", "1h")]),
            r#"PRESENCE_GRACE="1h" is not allowed: from 0s to 5m, written like 250ms, 10s, 30m, 2h or 14d"#
        );
        assert_eq!(
            sentence(&[("TRUSTED_PROXIES", "::1,proxy")]),
            "TRUSTED_PROXIES=\"::1,proxy\" is not allowed: \
             networks such as 10.0.0.0/8 or ::1, comma-separated; \"proxy\" is none"
        );
        assert_eq!(
            sentence(&[("REGISTRATION", "open\nclosed")]),
            r#"REGISTRATION="open\nclosed" is not allowed: open or closed"#
        );
        assert_eq!(
            sentence(&[("REDIS_URL", "redis://:hunter2@cache")]),
            "REDIS_URL is not allowed: leave it empty, this version runs as one node"
        );
    }

    #[test]
    fn another_system_is_named_by_all_three_settings_or_none() {
        let all = [("JWT_PUBLIC_KEY_FILE", "key.pem"), ("JWT_ISSUER", "id"), ("JWT_AUDIENCE", "chat")];
        let expected = ExternalIssuer { key_file: "key.pem".into(), issuer: "id".into(), audience: "chat".into() };
        assert_eq!(config(&all).expect("all three").auth.external, Some(expected));
        assert_eq!(config(&[]).expect("none").auth.external, None);
        for missing in 0..3 {
            let some: Vec<_> = all.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, set)| *set).collect();
            let refusal = refusal(&some);
            assert!(refusal.allowed.contains(all[missing].0), "{refusal}");
            assert!(config(&[all[missing]]).is_err());
        }
    }

    #[test]
    fn the_heartbeat_times_out_later_than_it_beats() {
        let refusal = refusal(&[("HEARTBEAT_INTERVAL", "40s")]);
        assert_eq!(
            refusal.to_string(),
            r#"HEARTBEAT_TIMEOUT="40s" is not allowed: longer than HEARTBEAT_INTERVAL, which is 40s"#
        );
        config(&[("HEARTBEAT_INTERVAL", "39s")]).expect("a shorter interval");
    }

    #[test]
    fn a_frame_holds_the_longest_message_however_it_is_escaped() {
        let frame = |bytes| [("MAX_MESSAGE_CHARS", "1000"), ("MAX_FRAME_BYTES", bytes)];
        assert_eq!(refusal(&frame("13023")).variable, "MAX_FRAME_BYTES");
        config(&frame("13024")).expect("12 bytes a character, and 1024");
        assert!(refusal(&[("MAX_MESSAGE_CHARS", "10000")]).allowed.starts_with("121024 or more"));
    }

    #[test]
    fn what_has_no_effect_yet_is_named_when_it_is_set() {
        let config = config(&[("METRICS_TOKEN", KEY), ("BIND", "[::]:80")]);
        assert_eq!(config.expect("allowed").without_effect, ["METRICS_TOKEN"]);
    }

    #[test]
    fn the_effective_configuration_lists_what_is_in_effect() {
        let config = config(&[("BIND", "[::]:80"), ("JWT_SECRET", KEY), ("METRICS_TOKEN", KEY)]).expect("allowed");
        let lines: Vec<String> = config.effective().collect();
        for line in ["BIND=[::]:80", "WORKERS=", "JWT_SECRET=[redacted]", "JWT_SECRET_PREVIOUS=", "FRAME_RATE=50"] {
            assert!(lines.iter().any(|listed| listed == line), "{line} stands in {lines:?}");
        }
        assert!(!lines.iter().any(|line| line.starts_with("METRICS_TOKEN") || line.starts_with("REDIS_URL")));
    }

    #[test]
    fn secrets_are_kept_whole_and_never_shown() {
        let config = config(&[
            ("JWT_SECRET", KEY),
            ("JWT_SECRET_PREVIOUS", "Pq7Zk3vT9qLw1xR7bNs5mYc8hJd2fGp4aUe"),
            ("METRICS_TOKEN", "Mt5Zk3vT9qLw1xR7bNs5mYc8hJd2fGp4aUe"),
            ("DATABASE_URL", "postgres://app:Zk3vT9qLw1xR7@db/chat?sslpassword=Zk3vT9qLw1xR7"),
        ]);
        let config = config.expect("allowed");
        assert_eq!(config.auth.jwt_secret.as_ref().map(Secret::as_bytes), Some(KEY.as_bytes()));
        let shown = format!("{config:?} {config:#?} {:?}", config.effective().collect::<Vec<_>>());
        assert!(!shown.contains("Zk3v"), "{shown}");
        assert!(shown.contains("DATABASE_URL=postgres://app:[redacted]@db/chat?[redacted]"), "{shown}");
    }

    #[test]
    fn a_refusal_never_shows_a_secret() {
        for name in CONFIDENTIAL {
            for value in ["app:hunter2@db", "mysql://app:hunter2@db", "host=db password=hunter2 ü"] {
                let refusal = refusal(&[(name, value)]);
                assert_eq!(refusal.variable, name);
                assert!(!format!("{refusal} {refusal:?}").contains("hunter2"), "{refusal}");
            }
        }
    }

    #[test]
    fn a_value_that_is_not_text_is_refused() {
        let raw = |name| {
            move |asked: &'static str| match asked == name {
                true => Err(OsString::from_vec(b"hunter2\xff".to_vec())),
                false => Ok(None),
            }
        };
        let bind = Config::read(&raw("BIND")).expect_err("not UTF-8").to_string();
        assert_eq!(bind, "BIND=\"hunter2\u{fffd}\" is not allowed: text in UTF-8");
        let secret = Config::read(&raw("JWT_SECRET")).expect_err("not UTF-8").to_string();
        assert_eq!(secret, "JWT_SECRET is not allowed: text in UTF-8");
    }

    #[test]
    fn the_example_lists_every_variable_with_its_default() {
        let config = config(&[]).expect("the defaults are allowed");
        let defaults: BTreeMap<&str, &str> = config.lines.iter().map(|line| (line.name, &*line.value)).collect();
        assert_eq!(listed(EXAMPLE), defaults);
        assert_eq!(names().len(), defaults.len());
    }

    #[test]
    fn the_example_says_what_has_no_effect_and_what_is_refused() {
        let config = config(&[]).expect("the defaults are allowed");
        let [in_effect, idle, refused] = parts().map(listed);
        let is_refused = |name: &str| {
            self::config(&[(name, "?")]).is_err_and(|refusal| refusal.allowed.starts_with("leave it empty"))
        };
        for line in &config.lines {
            let (name, refuses) = (line.name, is_refused(line.name));
            assert_eq!(in_effect.contains_key(name), line.in_effect, "{name}");
            assert_eq!(idle.contains_key(name), !line.in_effect && !refuses, "{name}");
            assert_eq!(refused.contains_key(name), refuses, "{name}");
        }
    }

    #[test]
    fn every_variable_of_the_example_has_a_line_that_says_why() {
        let lines: Vec<&str> = EXAMPLE.lines().collect();
        for pair in lines.windows(2).filter(|pair| !listed(pair[1]).is_empty()) {
            assert!(pair[0].starts_with("# "), "{} has no reason above it", pair[1]);
        }
    }

    proptest! {
        #[test]
        fn any_text_in_any_variable_is_taken_or_refused_in_one_line(
            index in any::<prop::sample::Index>(),
            text in any::<String>(),
        ) {
            let names = names();
            let name = &**index.get(&names);
            if let Err(refusal) = config(&[(name, &text)]) {
                prop_assert!(refusal.to_string().starts_with(name));
                prop_assert!(!refusal.to_string().contains(['\n', '\r']));
            }
        }
    }
}
