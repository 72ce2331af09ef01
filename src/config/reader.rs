//! ReadPool one variable at a time, and says in one line what is wrong with it.
//!
//! A rule turns text into a value, or says what would have been allowed. The reader decides what of
//! a text may be shown, and keeps a line of each setting for the log of the start. It knows no
//! variable by name; the table in the parent module does.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use log::LevelFilter;

use super::values::{DatabaseUrl, REDACTED};

/// A variable that stops the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSetting {
    pub variable: &'static str,
    /// What was found; `None` for a secret, and without its password for a database.
    pub value: Option<String>,
    /// What would have been accepted.
    pub allowed: String,
}

impl Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.variable)?;
        if let Some(value) = &self.value {
            // Debug escapes line breaks, so that this stays one line.
            write!(f, "={value:?}")?;
        }
        write!(f, " is not allowed: {}", self.allowed)
    }
}

impl Error for BadSetting {}

/// One setting as the start reports it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub name: &'static str,
    /// The text in force, redacted; empty when there is none.
    pub value: String,
    pub is_set: bool,
    pub in_effect: bool,
}

/// What of a text may be shown; `None`: nothing.
pub(super) type Show = fn(&str) -> Option<String>;

const PLAIN: Show = |text| Some(text.to_owned());
pub(super) const HIDDEN: Show = |_| None;
const DATABASE: Show = |text| Some(DatabaseUrl::redact(text));

/// Where texts come from; the error is a value that is not UTF-8.
type Lookup<'a> = &'a dyn Fn(&'static str) -> Result<Option<String>, OsString>;

pub(super) struct Reader<'a> {
    lookup: Lookup<'a>,
    lines: Vec<Line>,
    /// Whether the settings read from here on change anything in this version.
    pub in_effect: bool,
}

impl<'a> Reader<'a> {
    pub fn new(lookup: Lookup<'a>) -> Reader<'a> {
        Reader { lookup, lines: Vec::new(), in_effect: true }
    }

    pub fn required<T>(
        &mut self,
        name: &'static str,
        default: &str,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, BadSetting> {
        self.read(name, default, PLAIN, rule)
    }

    pub fn optional<T>(
        &mut self,
        name: &'static str,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, BadSetting> {
        self.read(name, "", PLAIN, unless_empty(rule))
    }

    /// As `optional`, and its text is never shown.
    pub fn secret<T>(
        &mut self,
        name: &'static str,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, BadSetting> {
        self.read(name, "", HIDDEN, unless_empty(rule))
    }

    /// As `required`, and its password is never shown.
    /// A setting with a rule of its own.
    pub fn with<T>(&mut self, read: fn(&mut Self) -> Result<T, BadSetting>) -> Result<T, BadSetting> {
        read(self)
    }

    pub fn database(&mut self, name: &'static str, default: &str) -> Result<DatabaseUrl, BadSetting> {
        self.read(name, default, DATABASE, DatabaseUrl::from_str)
    }

    /// Entries between commas; a refusal says which one it is about.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, BadSetting> {
        self.read(name, "", PLAIN, |text| {
            let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
            entries.map(|entry| rule(entry).map_err(|allowed| format!("{allowed}; {entry:?} is none"))).collect()
        })
    }

    /// A variable that must stay empty; `show` says what of its text a refusal may repeat.
    pub fn refuse(&mut self, name: &'static str, show: Show, why: &str) -> Result<(), BadSetting> {
        let refusal = unless_empty(|_| Err::<(), _>(format!("leave it empty, {why}")));
        self.read(name, "", show, refusal).map(|_| ())
    }

    /// A refusal of a setting read before, for a rule about two of them.
    pub fn bad(&self, name: &'static str, allowed: String) -> BadSetting {
        BadSetting { variable: name, value: Some(self.shown(name).to_owned()), allowed }
    }

    /// The text in force of a setting read before.
    #[expect(clippy::expect_used, reason = "a mistake in the table of settings, found by any test of it")]
    pub fn shown(&self, name: &'static str) -> &str {
        let line = self.lines.iter().find(|line| line.name == name);
        &line.expect("a rule about two settings comes after both were read").value
    }

    pub fn set_without_effect(&self) -> Vec<&'static str> {
        let idle = self.lines.iter().filter(|line| line.is_set && !line.in_effect);
        idle.map(|line| line.name).collect()
    }

    pub fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    /// Every reading passes here, the default too, so a default cannot break its own rule.
    fn read<T>(
        &mut self,
        name: &'static str,
        default: &str,
        show: Show,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, BadSetting> {
        let bad = |text: &str, allowed| BadSetting { variable: name, value: show(text), allowed };
        let given = (self.lookup)(name).map_err(|raw| bad(&raw.to_string_lossy(), "text in UTF-8".to_owned()))?;
        let given = given.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let text = given.unwrap_or(default);
        let value = rule(text).map_err(|allowed| bad(text, allowed))?;
        let shown = if text.is_empty() { String::new() } else { show(text).unwrap_or(REDACTED.to_owned()) };
        self.lines.push(Line { name, value: shown, is_set: given.is_some(), in_effect: self.in_effect });
        Ok(value)
    }
}

/// A claim of a token as it is compared: as long as the store keeps them.
pub(super) fn claim(text: &str) -> Result<String, String> {
    let fits = text.chars().count() <= 255 && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| "at most 255 characters, no control characters".to_owned())
}

fn unless_empty<T>(rule: impl Fn(&str) -> Result<T, String>) -> impl Fn(&str) -> Result<Option<T>, String> {
    move |text| if text.is_empty() { Ok(None) } else { rule(text).map(Some) }
}

/// A whole number within `bounds`, in any integer type that holds them.
pub(super) fn whole<T: FromStr>(bounds: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let inside = text.parse().is_ok_and(|number| bounds.contains(&number));
        let (least, most) = (bounds.start(), bounds.end());
        text.parse().ok().filter(|_| inside).ok_or_else(|| format!("a whole number from {least} to {most}"))
    }
}

/// A duration from `shortest` to `longest`, which are written as a value is.
#[expect(clippy::expect_used, reason = "a mistake in the table of settings, found by any test of it")]
pub(super) fn span(shortest: &'static str, longest: &'static str) -> impl Fn(&str) -> Result<Duration, String> {
    let bound = |text| duration(text).expect("the bounds in the table are durations");
    let bounds = bound(shortest)..=bound(longest);
    move |text| {
        duration(text)
            .filter(|value| bounds.contains(value))
            .ok_or_else(|| format!("from {shortest} to {longest}, written like 250ms, 10s, 30m, 2h or 14d"))
    }
}

/// A whole number and one unit. Sums (`1h 30m`) and long units are left out: one spelling for each
/// duration keeps what is logged and what is written comparable.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms).map(Duration::from_millis)
}

/// One of two words.
pub(super) fn one_of<T: Copy>(choices: [(&'static str, T); 2]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        chosen.ok_or_else(|| format!("{} or {}", choices[0].0, choices[1].0))
    }
}

/// A path that stays one when the name of a database file follows: SQLite reads `file:x?y` and
/// `:memory:` in its own way.
pub(super) fn directory(text: &str) -> Result<PathBuf, String> {
    let is_plain = !text.contains(['?', ':']);
    is_plain.then(|| text.into()).ok_or_else(|| "a directory without ? or : in its name".to_owned())
}

/// A network, or a single address as the network of itself.
pub(super) fn cidr(text: &str) -> Result<IpNet, String> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| "networks such as 10.0.0.0/8 or ::1, comma-separated".to_owned())
}

/// `env_logger` would skip a directive that it cannot read, and log less than was asked for.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let (directives, pattern) = text.split_once('/').unwrap_or((text, ""));
    let is_directive = |directive: &str| match directive.split_once('=') {
        Some((_, level)) => level.trim().is_empty() || LevelFilter::from_str(level.trim()).is_ok(),
        None => true,
    };
    let is_filter = !pattern.contains('/') && directives.split(',').all(is_directive);
    let allowed = "a level (off, error, warn, info, debug, trace) or target=level, comma-separated";
    is_filter.then(|| text.to_owned()).ok_or_else(|| allowed.to_owned())
}
