//! Parser for the file `.env`: the settings in it, their line numbers and its errors.
//!
//! The parser ignores no mistake silently. It refuses three things, each with its line number: an
//! unknown name, a name that appears twice, and a value that dotenvy would change.

use std::collections::BTreeMap;

/// Replaces `$` when a line is read a second time, because dotenvy leaves this character alone.
const NO_DOLLAR: &str = "\u{e000}";

/// The settings of a file, each with its line number.
#[derive(Debug, Default)]
pub(super) struct DotEnv(BTreeMap<&'static str, (usize, String)>);

impl DotEnv {
    /// Parses the text of a file; `known` are the names of all settings.
    ///
    /// # Errors
    /// One sentence that names the line. It repeats no value, because a value may be a secret.
    pub fn parse(text: &str, known: &[&'static str]) -> Result<DotEnv, String> {
        let mut settings = BTreeMap::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let number = index + 1;
            let Some((name, value)) = entry(line).map_err(|wrong| format!(".env, line {number}: {wrong}"))? else {
                continue;
            };
            let Some(name) = known.iter().find(|known| **known == name) else {
                return Err(format!(".env, line {number}: {}", not_a_setting(&name, known)));
            };
            if let Some((first, _)) = settings.insert(*name, (number, value)) {
                return Err(format!(".env, line {number}: {name} is set on line {first} already; keep one of them"));
            }
        }
        Ok(DotEnv(settings))
    }

    pub fn value(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|(_, value)| value.clone())
    }

    pub fn line(&self, name: &str) -> Option<usize> {
        self.0.get(name).map(|(line, _)| *line)
    }
}

/// Returns the name and the value of a line; none for an empty line or a comment.
fn entry(line: &str) -> Result<Option<(String, String)>, &'static str> {
    const WRONG: &str = "expected NAME=value; put a value with spaces, quotes or $ in single quotes";
    // Each line is read separately, because dotenvy does not number them.
    let read = |line: &str| dotenvy::from_read_iter(line.as_bytes()).next().transpose().map_err(|_| WRONG);
    let Some((name, value)) = read(line)? else { return Ok(None) };
    // dotenvy would replace `$NAME` by another variable, or silently by nothing when that is not
    // set.
    let as_written = read(&line.replace('$', NO_DOLLAR))?;
    match as_written.is_some_and(|(_, as_written)| as_written == value.replace('$', NO_DOLLAR)) {
        true => Ok(Some((name, value))),
        false => Err(WRONG),
    }
}

fn not_a_setting(name: &str, known: &[&'static str]) -> String {
    let looks_like_a_name = name.len() <= 40 && !name.contains(|c: char| c.is_ascii_lowercase());
    match nearest(name, known, |length| (length / 3).min(3)) {
        Some(meant) => format!("{name} is not a setting; did you mean {meant}?"),
        None if looks_like_a_name => {
            format!("{name} is not a setting of this hub; put variables of other programs in the environment")
        }
        // The text may be part of a secret, so it is not repeated.
        None => "this name is not a setting of this hub; .env.example lists them".to_owned(),
    }
}

/// Finds environment variables that are probably misspelled settings, with the setting that each
/// probably means. The environment also holds variables of other programs, so only very similar
/// names count.
pub(super) fn near_misses(names: impl Iterator<Item = String>, known: &[&'static str]) -> Vec<(String, &'static str)> {
    let unknown = names.filter(|name| !known.contains(&name.as_str()));
    let mut misses: Vec<_> =
        unknown.filter_map(|name| nearest(&name, known, |length| length / 6).map(|meant| (name, meant))).collect();
    misses.sort();
    misses
}

/// Returns the known name that differs least. It may differ in at most as many letters as `most`
/// allows for its length. Letter case does not count.
fn nearest(name: &str, known: &[&'static str], most: impl Fn(usize) -> usize) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    let near = known.iter().map(|known| (distance(&name, known), *known));
    near.filter(|(distance, known)| *distance <= most(known.len())).min().map(|(_, known)| known)
}

/// Counts the letters to insert, remove or replace (Levenshtein distance).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.bytes().enumerate() {
            let least = (diagonal + usize::from(a != b)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], least);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["BIND", "REGISTRATION", "JWT_SECRET", "MESSAGE_RATE", "DATABASE_URL"];

    fn parse(text: &str) -> Result<DotEnv, String> {
        DotEnv::parse(text, &KNOWN)
    }

    #[test]
    fn dot_env_values_are_used_verbatim() {
        for (line, value) in [
            ("BIND=a", "a"),
            ("  BIND = a  # why", "a"),
            ("export BIND=a", "a"),
            ("BIND=a#b", "a#b"),
            ("BIND=", ""),
            ("BIND='a$b c'", "a$b c"),
            (r#"BIND="a b""#, "a b"),
            ("\u{feff}BIND=a", "a"),
            ("BIND=a\r", "a"),
        ] {
            let settings = parse(line).unwrap_or_else(|wrong| panic!("{line}: {wrong}"));
            assert_eq!(settings.value("BIND").as_deref(), Some(value), "{line}");
        }
        assert!(parse("# BIND=$a\n\n").unwrap().0.is_empty());
    }

    #[test]
    fn an_ambiguous_line_is_refused_with_its_line_number() {
        for line in ["BIND", "BIND=a b", "=a", "BIND=a$b", "BIND=${HOME}", r#"BIND="$HOME""#, "BIND='a", r"BIND=a\qb"] {
            let wrong = parse(&format!("# mine\nMESSAGE_RATE=5\n{line}")).expect_err(line);
            assert!(wrong.starts_with(".env, line 3: expected NAME=value"), "{wrong}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_setting() {
        for (name, meant) in [
            ("REGISTRATON", "did you mean REGISTRATION?"),
            ("registration", "did you mean REGISTRATION?"),
            ("Bind", "did you mean BIND?"),
            ("BINDS", "did you mean BIND?"),
            ("DATABASE_URI", "did you mean DATABASE_URL?"),
            ("PGPASSWORD", "PGPASSWORD is not a setting of this hub"),
            ("PORT", "PORT is not a setting of this hub"),
        ] {
            let wrong = parse(&format!("BIND=a\n{name}=closed")).expect_err(name);
            assert!(wrong.starts_with(".env, line 2: ") && wrong.contains(meant), "{wrong}");
        }
    }

    #[test]
    fn an_error_repeats_no_part_of_a_secret() {
        // A key that an editor broke into two lines.
        for line in ["Zk3vT9qLw1xR7bNs5mYc8hJd2fGp4aUe==", "JWT_SECRET=Zk3vT9q Lw1xR7b"] {
            let wrong = parse(line).expect_err(line);
            assert!(!wrong.contains("Zk3"), "{wrong}");
        }
    }

    #[test]
    fn a_duplicate_name_is_refused_with_both_line_numbers() {
        let wrong = parse("BIND=a\nMESSAGE_RATE=5\nBIND=a").expect_err("twice");
        assert_eq!(wrong, ".env, line 3: BIND is set on line 1 already; keep one of them");
    }

    #[test]
    fn misspelled_settings_are_found_and_other_variables_ignored() {
        let names = ["REGISTRATON", "bind", "MESSAGE_RATES", "BIN", "FIND", "PATH", "DATABASE_HOST", "BIND", "HOME"];
        let misses = near_misses(names.iter().map(ToString::to_string), &KNOWN);
        let expected = [("MESSAGE_RATES", "MESSAGE_RATE"), ("REGISTRATON", "REGISTRATION"), ("bind", "BIND")];
        assert_eq!(misses, expected.map(|(name, meant)| (name.to_owned(), meant)));
    }
}
