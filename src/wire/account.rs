//! Input types: texts that users type into forms, checked when they are parsed.

use crate::text::{has_visible, is_bidi_control, is_name_of_closed, is_reserved_username, opaque_string};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer};
use std::borrow::Cow;
use std::fmt;

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $schema:tt, $check:expr) => {
        text!($(#[$doc])* $name, $schema, $check, std::convert::identity);
    };
    // `$form` converts the text into the form that is checked and stored.
    ($(#[$doc:meta])* $name:ident, $schema:tt, $check:expr, $form:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let form: fn(String) -> String = $form;
                let text = form(String::deserialize(input)?);
                let check: fn(&str) -> Result<(), &'static str> = $check;
                check(&text).map(|()| Self(text)).map_err(D::Error::custom)
            }
        }
    };
}

/// Patterns for the rules that the checks below state in code: no control characters, something
/// visible, and in names no characters that change the text direction.
const LABEL: &str = concat!(
    r"^[^\u0000-\u001F\u007F-\u009F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]*",
    r"[^\u0000-\u001F\u007F-\u009F",
    invisible!(),
    r"][^\u0000-\u001F\u007F-\u009F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]*$"
);
const REASON: &str = concat!(
    r"^[^\u0000-\u0009\u000B-\u001F\u007F-\u009F]*",
    r"[^\u0000-\u001F\u007F-\u009F",
    invisible!(),
    r"][^\u0000-\u0009\u000B-\u001F\u007F-\u009F]*$"
);
const NO_CONTROLS: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";
const EMAIL: &str = concat!(
    r"^[^@\u0000-\u001F\u007F-\u009F",
    white_space!(),
    r"]+@[^@\u0000-\u001F\u007F-\u009F",
    white_space!(),
    "]+$"
);

fn has_chars(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.chars().count())
}

text!(
    /// A username: 3–32 of `a-z A-Z 0-9 _ . -`.
    #[derive(Debug)]
    Username,
    {"type": "string", "minLength": 3, "maxLength": 32, "pattern": "^[A-Za-z0-9_.-]*$"},
    |text| {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        match has_chars(text, 3, 32) && text.bytes().all(is_legal) {
            false => Err("must be 3 to 32 of a-z A-Z 0-9 _ . -"),
            true if is_reserved_username(text) => Err("is reserved; choose another"),
            true => Ok(()),
        }
    }
);

/// Returns the rule that a name of at most `max` characters breaks.
fn check_name(text: &str, max: usize, length: &'static str) -> Result<(), &'static str> {
    if !has_chars(text, 1, max) || text.chars().any(char::is_control) {
        return Err(length);
    }
    if text.chars().any(is_bidi_control) {
        return Err("must not contain characters that change the direction of text");
    }
    if has_visible(text) { Ok(()) } else { Err("must have a visible character") }
}

text!(
    /// A new password in its [one form](opaque_string): 8–256 characters, none of them a control
    /// character. It is never printed.
    Password,
    {"type": "string", "minLength": 8, "maxLength": 256, "pattern": NO_CONTROLS},
    |text| match text.chars().any(char::is_control) {
        true => Err("must not contain control characters"),
        false if has_chars(text, 8, 256) => Ok(()),
        false => Err("must have 8 to 256 characters"),
    },
    |text| opaque_string(&text).into_owned()
);

impl Password {
    /// Checks a password from the command line.
    ///
    /// # Errors
    /// Names the rule that the password breaks. The error never repeats the password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
        Self::deserialize(text).map_err(|error| error.to_string())
    }
}

text!(
    /// A display name: 1–64 characters, at least one of them visible, no control characters, and
    /// not the name of a closed account.
    #[derive(Debug)]
    DisplayName,
    {"type": "string", "minLength": 1, "maxLength": 64, "pattern": LABEL},
    |text| match is_name_of_closed(text) {
        true => Err("is reserved; choose another"),
        false => check_name(text, 64, "must have 1 to 64 characters and no control characters"),
    }
);

text!(
    /// A group title: 1–128 characters, by the rules of a display name.
    #[derive(Debug)]
    Title,
    {"type": "string", "minLength": 1, "maxLength": 128, "pattern": LABEL},
    |text| check_name(text, 128, "must have 1 to 128 characters and no control characters")
);

text!(
    /// The reason of a report: 1–1000 characters, at least one of them visible. The only control
    /// characters allowed are line ends.
    #[derive(Debug)]
    Reason,
    {"type": "string", "minLength": 1, "maxLength": 1000, "pattern": REASON},
    |text| {
        let is_legal = |letter: char| !letter.is_control() || letter == '\n';
        match has_chars(text, 1, 1000) && text.chars().all(is_legal) {
            false => Err("must have 1 to 1000 characters and no control characters but the end of a line"),
            true if has_visible(text) => Ok(()),
            true => Err("must have a visible character"),
        }
    }
);

text!(
    /// An email address: text before and after one `@`, at most 254 characters.
    /// The hub does not verify that the address receives mail.
    #[derive(Debug)]
    Email,
    {"type": "string", "minLength": 3, "maxLength": 254, "pattern": EMAIL},
    |text| {
        let has_parts = text.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && !host.contains('@')
        });
        let is_clean = !text.chars().any(|letter| letter.is_control() || letter.is_whitespace());
        match has_parts && is_clean && has_chars(text, 3, 254) {
            true => Ok(()),
            false => Err("must be an e-mail address of at most 254 characters"),
        }
    }
);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;

    fn takes<T: DeserializeOwned>(text: &str) -> bool {
        serde_json::from_value::<T>(text.into()).is_ok()
    }

    #[test]
    fn every_field_has_its_bounds_enforced() {
        for (text, is_good) in [
            ("ann", true),
            ("an", false),
            (&*"a".repeat(32), true),
            (&*"a".repeat(33), false),
            ("Ann_B.c-9", true),
            ("ann b", false),
            ("änn", false),
            ("ann\0", false),
            ("Admin", false),
        ] {
            assert_eq!(takes::<Username>(text), is_good, "{text}");
        }
        assert!(takes::<Password>(&"ü".repeat(8)) && takes::<Password>(&"ü".repeat(256)));
        assert!(!takes::<Password>("1234567") && !takes::<Password>(&"x".repeat(257)));
        // Characters are counted in the form that is stored.
        assert!(takes::<Password>(&"u\u{308}".repeat(256)) && !takes::<Password>(&"u\u{308}".repeat(7)));
        assert!(!takes::<Password>("1234567\t") && !takes::<Password>("1234567\0"));
        assert!(takes::<DisplayName>("Ä") && takes::<DisplayName>(&"x".repeat(64)));
        for bad in ["", " ", "a\nb", "a\0", &"x".repeat(65), "\u{200b}", "\u{202e}elrac", "a\u{200f}", "Deleted user"] {
            assert!(!takes::<DisplayName>(bad), "{bad:?}");
        }
        for good in ["می‌خواهم", "क्‍ष", "🏳️‍🌈", "O’Neil"] {
            assert!(takes::<DisplayName>(good) && takes::<Title>(good), "{good:?}");
        }
        assert!(takes::<Title>("Deleted user") && !takes::<Title>("\u{2800}") && !takes::<Title>("\u{2067}x"));
        assert!(takes::<Reason>("ö") && takes::<Reason>(&"ö".repeat(1000)) && takes::<Reason>("a\nb"));
        for bad in ["", " \n", "\u{3164}", "a\tb", "a\rb", "a\0", &"x".repeat(1001)] {
            assert!(!takes::<Reason>(bad), "{bad:?}");
        }
        assert!(takes::<Email>(&format!("{}@ü", "ü".repeat(252))), "characters count, not bytes");
        assert!(takes::<Email>("a@b") && takes::<Email>(&format!("{}@b", "a".repeat(252))));
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a\n@b", &format!("{}@b", "a".repeat(253))] {
            assert!(!takes::<Email>(bad), "{bad:?}");
        }
    }

    /// A value that satisfies the schema is not refused for a rule that the schema states.
    #[test]
    fn a_visible_character_fits_the_patterns() {
        let patterns =
            [schemars::schema_for!(Title), schemars::schema_for!(Reason), schemars::schema_for!(crate::wire::Content)];
        let validators = patterns.map(|schema| jsonschema::validator_for(schema.as_value()).unwrap());
        for letter in ('\0'..'\u{10000}').filter(|letter| has_visible(&letter.to_string())) {
            let text = serde_json::Value::from(letter.to_string());
            assert!(validators.iter().all(|validator| validator.is_valid(&text)), "{letter:?}");
        }
        for hidden in ["\u{200b}", "\u{2800}", "\u{3164}", "\u{ad}"] {
            assert!(!validators.iter().any(|validator| validator.is_valid(&hidden.into())), "{hidden:?}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let password: Password = serde_json::from_value("correct horse".into()).unwrap();
        assert!(!format!("{password:?}").contains("horse"));
    }
}
