//! Configuration: the operator's settings, read once from the environment and `.env`, validated,
//! and immutable afterwards.
//!
//! This module owns every variable's name, default and bounds; each stands in the file of its
//! concern. `main` calls `load` with the text of `.env`, and tests call `from_lookup`. No other
//! module reads the environment. This module opens no file, socket or database. It never prints a
//! secret: not in `Debug`, not in `effective()`, not in an error.

mod auth;
mod connections;
mod dot_env;
mod http;
mod messages;
mod reader;
mod settings;
mod store;
mod values;

use std::env::{self, VarError};
use std::ffi::OsString;

pub use auth::{Auth, ExternalIssuer, Registration};
pub use connections::{Hub, Socket};
use dot_env::{DotEnv, near_misses};
pub use http::{Http, ProxyHeader};
pub use messages::{MessagePolicy, Messages};
pub use reader::BadSetting;
use reader::{HIDDEN, Line, Reader, log_filter};
pub use store::Store;
use values::bearer_secret;
pub use values::{DatabaseUrl, PublicUrl, Secret};

/// Bytes that JSON may use for one character: a pair of escaped surrogates, `\ud83d\ude00`.
const ESCAPED_CHAR_BYTES: usize = 12;

/// Bytes reserved for the rest of a message frame: its keys, ids, `ref` and `client_message_id`.
/// These need about 300 bytes when they are not escaped needlessly.
const ENVELOPE_BYTES: usize = 1024;

/// All settings, grouped by the part of the hub that uses them.
#[derive(Clone, Debug)]
pub struct Config {
    pub http: Http,
    pub socket: Socket,
    pub hub: Hub,
    pub store: Store,
    pub auth: Auth,
    pub messages: Messages,
    /// `RUST_LOG`: a filter in the syntax of `env_logger`.
    pub log_filter: String,
    /// Variables that are set and well formed but have no effect in this version.
    pub without_effect: Vec<&'static str>,
    /// Environment variables that are not settings, each with the setting that it probably means.
    pub misspelled: Vec<(String, &'static str)>,
    lines: Vec<Line>,
}

impl Config {
    /// Loads the settings of this process. The environment takes precedence over `dot_env`, the
    /// text of `.env`.
    ///
    /// # Errors
    /// One sentence that names the variable, and its line number if it comes from `.env`.
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

    /// Builds the settings from the values that `get` returns, by the same rules. `None` and blank
    /// text mean the default.
    pub fn from_lookup(get: impl Fn(&str) -> Option<String>) -> Result<Config, BadSetting> {
        Config::read(&|name| Ok(get(name)))
    }

    /// Returns `NAME=value` for every setting in effect, with secrets redacted. The log at start-up
    /// shows these lines.
    pub fn effective(&self) -> impl Iterator<Item = String> {
        let in_effect = self.lines.iter().filter(|line| line.in_effect);
        in_effect.map(|line| format!("{}={}", line.name, line.value))
    }

    /// Reads the settings of each concern. A rule states the bounds, both ends included.
    /// `optional`, `secret` and `list` are empty by default.
    fn read(lookup: &dyn Fn(&'static str) -> Result<Option<String>, OsString>) -> Result<Config, BadSetting> {
        let env = &mut Reader::new(lookup);

        let http = Http::read(env)?;
        let store = Store::read(env)?;
        let auth = Auth::read(env)?;
        let messages = Messages::read(env)?;
        let socket = Socket::read(env)?;
        let hub = Hub::read(env)?;
        let log_filter = env.required("RUST_LOG", "info", log_filter)?;

        // Validated already, so that a file written for a later version fails now and not after an
        // upgrade.
        env.in_effect = false;
        env.secret("METRICS_TOKEN", bearer_secret)?;

        // Ignoring it would leave nodes separate that the operator believes to be joined.
        env.refuse("REDIS_URL", HIDDEN, "this version runs as one node")?;

        if socket.heartbeat_timeout <= socket.heartbeat_interval {
            let interval = env.shown("HEARTBEAT_INTERVAL");
            let allowed = format!("use a duration longer than HEARTBEAT_INTERVAL, which is {interval}");
            return Err(env.bad("HEARTBEAT_TIMEOUT", allowed));
        }
        // A message that the hub would store must fit into its frame, however a client escapes it.
        // Otherwise some texts within the limit would close the socket.
        let needed = messages.max_chars * ESCAPED_CHAR_BYTES + ENVELOPE_BYTES;
        if socket.max_frame_bytes < needed {
            let chars = messages.max_chars;
            let allowed = format!("use {needed} or more, to hold MAX_MESSAGE_CHARS ({chars}) escaped");
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

    /// Returns every variable that the code reads.
    fn names() -> Vec<String> {
        let asked = RefCell::new(Vec::new());
        Config::from_lookup(|name| {
            asked.borrow_mut().push(name.to_owned());
            None
        })
        .expect("the defaults are allowed");
        asked.into_inner()
    }

    /// Parses `NAME=value` lines of a part of `.env.example`, without the comment sign.
    fn listed(text: &str) -> BTreeMap<&str, &str> {
        let assignments = text.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
        assignments.filter(|(name, _)| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')).collect()
    }

    /// Splits `.env.example` into its parts: in effect, without effect, refused.
    fn parts() -> [&'static str; 3] {
        let (in_effect, rest) = EXAMPLE.split_once("# Without effect in this version").expect("a second part");
        let (idle, refused) = rest.split_once("# Refused in this version").expect("a third part");
        [in_effect, idle, refused]
    }

    #[test]
    fn the_documented_defaults_apply_without_any_variable() {
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
    fn blank_values_count_as_unset_and_surrounding_space_is_cut() {
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

    /// For each variable: the settings that it requires, values just inside its bounds, and values
    /// just outside.
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

    /// Variables whose text may not be shown, tested in `a_config_error_never_shows_a_secret`.
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
    fn a_value_on_its_bound_is_accepted() {
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
    fn an_out_of_bounds_error_names_setting_value_and_range() {
        for (name, with, _, outside) in BOUNDS {
            for value in *outside {
                let refusal = refusal(&[&[(*name, *value)], *with].concat());
                assert_eq!((refusal.variable, refusal.value.as_deref()), (*name, Some(*value)));
                assert!(refusal.allowed.len() > 10, "{refusal} names the allowed values");
            }
        }
    }

    #[test]
    fn a_config_error_is_one_sentence() {
        let sentence = |settings| refusal(settings).to_string();
        assert_eq!(
            sentence(&[("BIND", "foo")]),
            r#"BIND="foo" is not allowed: use an IP address and a port, such as 127.0.0.1:8080"#
        );
        assert_eq!(
            sentence(&[("PRESENCE_GRACE", "1h")]),
            r#"PRESENCE_GRACE="1h" is not allowed: use a duration from 0s to 5m, written like 250ms, 10s, 30m, 2h or 14d"#
        );
        assert_eq!(
            sentence(&[("TRUSTED_PROXIES", "::1,proxy")]),
            "TRUSTED_PROXIES=\"::1,proxy\" is not allowed: \
             use networks such as 10.0.0.0/8 or ::1, comma-separated; \"proxy\" is not one"
        );
        assert_eq!(
            sentence(&[("REGISTRATION", "open\nclosed")]),
            r#"REGISTRATION="open\nclosed" is not allowed: use open or closed"#
        );
        assert_eq!(
            sentence(&[("REDIS_URL", "redis://:hunter2@cache")]),
            "REDIS_URL is not allowed: leave it empty, because this version runs as one node"
        );
    }

    #[test]
    fn an_external_issuer_needs_all_three_settings() {
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
            r#"HEARTBEAT_TIMEOUT="40s" is not allowed: use a duration longer than HEARTBEAT_INTERVAL, which is 40s"#
        );
        config(&[("HEARTBEAT_INTERVAL", "39s")]).expect("a shorter interval");
    }

    #[test]
    fn a_frame_fits_the_longest_message_in_any_escaping() {
        let frame = |bytes| [("MAX_MESSAGE_CHARS", "1000"), ("MAX_FRAME_BYTES", bytes)];
        assert_eq!(refusal(&frame("13023")).variable, "MAX_FRAME_BYTES");
        config(&frame("13024")).expect("12 bytes a character, and 1024");
        assert!(refusal(&[("MAX_MESSAGE_CHARS", "10000")]).allowed.starts_with("use 121024 or more"));
    }

    #[test]
    fn inactive_settings_are_named_when_they_are_set() {
        let config = config(&[("METRICS_TOKEN", KEY), ("BIND", "[::]:80")]);
        assert_eq!(config.expect("allowed").without_effect, ["METRICS_TOKEN"]);
    }

    #[test]
    fn the_effective_configuration_lists_the_active_settings() {
        let config = config(&[("BIND", "[::]:80"), ("JWT_SECRET", KEY), ("METRICS_TOKEN", KEY)]).expect("allowed");
        let lines: Vec<String> = config.effective().collect();
        for line in ["BIND=[::]:80", "WORKERS=", "JWT_SECRET=[redacted]", "JWT_SECRET_PREVIOUS=", "FRAME_RATE=50"] {
            assert!(lines.iter().any(|listed| listed == line), "{line} is in {lines:?}");
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
    fn a_config_error_never_shows_a_secret() {
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
        assert_eq!(bind, "BIND=\"hunter2\u{fffd}\" is not allowed: use text in UTF-8");
        let secret = Config::read(&raw("JWT_SECRET")).expect_err("not UTF-8").to_string();
        assert_eq!(secret, "JWT_SECRET is not allowed: use text in UTF-8");
    }

    #[test]
    fn the_example_lists_every_variable_with_its_default() {
        let config = config(&[]).expect("the defaults are allowed");
        let defaults: BTreeMap<&str, &str> = config.lines.iter().map(|line| (line.name, &*line.value)).collect();
        assert_eq!(listed(EXAMPLE), defaults);
        assert_eq!(names().len(), defaults.len());
    }

    #[test]
    fn the_example_marks_inactive_and_refused_variables() {
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
    fn every_variable_of_the_example_has_an_explanation() {
        let lines: Vec<&str> = EXAMPLE.lines().collect();
        for pair in lines.windows(2).filter(|pair| !listed(pair[1]).is_empty()) {
            assert!(pair[0].starts_with("# "), "{} has no reason above it", pair[1]);
        }
    }

    proptest! {
        #[test]
        fn any_variable_text_is_accepted_or_refused_in_one_line(
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
