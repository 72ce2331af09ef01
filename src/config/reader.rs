//! Reads one variable at a time, and reports an invalid value in one line.
//!
//! A rule turns text into a value, or says which values are allowed. The reader decides which part
//! of a text may be shown, and keeps a line of each setting for the start-up log. It knows no
//! variable by name; the parent module holds the table of variables.

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

/// An invalid setting; it stops the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSetting {
    pub variable: &'static str,
    /// The value found; `None` for a secret, and without its password for a database.
    pub value: Option<String>,
    /// The allowed values, as an instruction.
    pub allowed: String,
}

impl Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.variable)?;
        if let Some(value) = &self.value {
            // Debug escapes line breaks, so that the error stays on one line.
            write!(f, "={value:?}")?;
        }
        write!(f, " is not allowed: {}", self.allowed)
    }
}

impl Error for BadSetting {}

/// A setting as the start-up log reports it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub name: &'static str,
    /// The text in effect, redacted; empty when the setting has no value.
    pub value: String,
    pub is_set: bool,
    pub in_effect: bool,
}

/// Returns the part of a text that may be shown; `None` shows nothing.
pub(super) type Show = fn(&str) -> Option<String>;

const PLAIN: Show = |text| Some(text.to_owned());
pub(super) const HIDDEN: Show = |_| None;
const DATABASE: Show = |text| Some(DatabaseUrl::redact(text));

/// The source of the texts; the error is a value that is not UTF-8.
type Lookup<'a> = &'a dyn Fn(&'static str) -> Result<Option<String>, OsString>;

pub(super) struct Reader<'a> {
    lookup: Lookup<'a>,
    lines: Vec<Line>,
    /// Whether the settings read from here on have an effect in this version.
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

    /// Like `optional`, but its text is never shown.
    pub fn secret<T>(
        &mut self,
        name: &'static str,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, BadSetting> {
        self.read(name, "", HIDDEN, unless_empty(rule))
    }

    /// Reads a setting with its own rule.
    pub fn with<T>(&mut self, read: fn(&mut Self) -> Result<T, BadSetting>) -> Result<T, BadSetting> {
        read(self)
    }

    pub fn database(&mut self, name: &'static str, default: &str) -> Result<DatabaseUrl, BadSetting> {
        self.read(name, default, DATABASE, DatabaseUrl::from_str)
    }

    /// Reads entries separated by commas; an error names the entry.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, BadSetting> {
        self.read(name, "", PLAIN, |text| {
            let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
            entries.map(|entry| rule(entry).map_err(|allowed| format!("{allowed}; {entry:?} is not one"))).collect()
        })
    }

    /// Refuses a variable that must stay empty; `show` returns the part of its text that the error
    /// may repeat.
    pub fn refuse(&mut self, name: &'static str, show: Show, why: &str) -> Result<(), BadSetting> {
        let refusal = unless_empty(|_| Err::<(), _>(format!("leave it empty, because {why}")));
        self.read(name, "", show, refusal).map(|_| ())
    }

    /// Builds an error for a setting read before, for a rule about two settings.
    pub fn bad(&self, name: &'static str, allowed: String) -> BadSetting {
        BadSetting { variable: name, value: Some(self.shown(name).to_owned()), allowed }
    }

    /// Returns the text in effect of a setting read before.
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

    /// Reads one variable. Every value passes here, including the default, so a default cannot
    /// break its own rule.
    fn read<T>(
        &mut self,
        name: &'static str,
        default: &str,
        show: Show,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, BadSetting> {
        let bad = |text: &str, allowed| BadSetting { variable: name, value: show(text), allowed };
        let given = (self.lookup)(name).map_err(|raw| bad(&raw.to_string_lossy(), "use text in UTF-8".to_owned()))?;
        let given = given.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let text = given.unwrap_or(default);
        let value = rule(text).map_err(|allowed| bad(text, allowed))?;
        let shown = if text.is_empty() { String::new() } else { show(text).unwrap_or(REDACTED.to_owned()) };
        self.lines.push(Line { name, value: shown, is_set: given.is_some(), in_effect: self.in_effect });
        Ok(value)
    }
}

/// Parses a token claim that the hub compares; its length is limited to what the store keeps.
pub(super) fn claim(text: &str) -> Result<String, String> {
    let fits = text.chars().count() <= 255 && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| "use at most 255 characters, and no control characters".to_owned())
}

fn unless_empty<T>(rule: impl Fn(&str) -> Result<T, String>) -> impl Fn(&str) -> Result<Option<T>, String> {
    move |text| if text.is_empty() { Ok(None) } else { rule(text).map(Some) }
}

/// Parses a whole number within `bounds`, in any integer type that holds them.
pub(super) fn whole<T: FromStr>(bounds: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let inside = text.parse().is_ok_and(|number| bounds.contains(&number));
        let (least, most) = (bounds.start(), bounds.end());
        text.parse().ok().filter(|_| inside).ok_or_else(|| format!("use a whole number from {least} to {most}"))
    }
}

/// Parses a duration from `shortest` to `longest`, which use the same syntax as a value.
#[expect(clippy::expect_used, reason = "a mistake in the table of settings, found by any test of it")]
pub(super) fn span(shortest: &'static str, longest: &'static str) -> impl Fn(&str) -> Result<Duration, String> {
    let bound = |text| duration(text).expect("the bounds in the table are durations");
    let bounds = bound(shortest)..=bound(longest);
    move |text| {
        duration(text).filter(|value| bounds.contains(value)).ok_or_else(|| {
            format!("use a duration from {shortest} to {longest}, written like 250ms, 10s, 30m, 2h or 14d")
        })
    }
}

/// Parses a whole number and one unit. Sums (`1h 30m`) and long units are not accepted: one
/// spelling for each duration keeps logs and settings comparable.
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

/// Parses one of two words.
pub(super) fn one_of<T: Copy>(choices: [(&'static str, T); 2]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        chosen.ok_or_else(|| format!("use {} or {}", choices[0].0, choices[1].0))
    }
}

/// Parses a path that stays a path when the name of a database file follows. SQLite interprets
/// `file:x?y` and `:memory:` in its own way.
pub(super) fn directory(text: &str) -> Result<PathBuf, String> {
    let is_plain = !text.contains(['?', ':']);
    is_plain.then(|| text.into()).ok_or_else(|| "use a directory without ? or : in its name".to_owned())
}

/// Parses a network; a single address becomes a network of one address.
pub(super) fn cidr(text: &str) -> Result<IpNet, String> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| "use networks such as 10.0.0.0/8 or ::1, comma-separated".to_owned())
}

/// Checks a log filter. `env_logger` would skip a directive that it cannot parse, and would log
/// less than the operator asked for.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let (directives, pattern) = text.split_once('/').unwrap_or((text, ""));
    let is_directive = |directive: &str| match directive.split_once('=') {
        Some((_, level)) => level.trim().is_empty() || LevelFilter::from_str(level.trim()).is_ok(),
        None => true,
    };
    let is_filter = !pattern.contains('/') && directives.split(',').all(is_directive);
    let allowed = "use a level (off, error, warn, info, debug, trace) or target=level, comma-separated";
    is_filter.then(|| text.to_owned()).ok_or_else(|| allowed.to_owned())
}
