//! What people type into a form, checked where it is read.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use std::borrow::Cow;
use std::fmt;

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $schema:tt, $check:expr) => {
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
                let text = String::deserialize(input)?;
                let check: fn(&str) -> Result<(), &'static str> = $check;
                check(&text).map(|()| Self(text)).map_err(D::Error::custom)
            }
        }
    };
}

/// Patterns for what the checks below say in code: no control characters, and
/// something to see.
const LABEL: &str = concat!(
    r"^[^\u0000-\u001F\u007F-\u009F]*",
    r"[^\u0000-\u001F\u007F-\u009F",
    white_space!(),
    r"][^\u0000-\u001F\u007F-\u009F]*$"
);
const REASON: &str = concat!(
    r"^[^\u0000-\u0009\u000B-\u001F\u007F-\u009F]*",
    r"[^\u0000-\u001F\u007F-\u009F",
    white_space!(),
    r"][^\u0000-\u0009\u000B-\u001F\u007F-\u009F]*$"
);
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
    /// 3–32 of `a-z A-Z 0-9 _ . -`.
    #[derive(Debug)]
    Username,
    {"type": "string", "minLength": 3, "maxLength": 32, "pattern": "^[A-Za-z0-9_.-]*$"},
    |text| {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        match has_chars(text, 3, 32) && text.bytes().all(is_legal) {
            true => Ok(()),
            false => Err("must be 3 to 32 of a-z A-Z 0-9 _ . -"),
        }
    }
);

/// Something to see, on one line.
fn is_label(text: &str, max: usize) -> bool {
    has_chars(text, 1, max) && !text.trim().is_empty() && !text.chars().any(char::is_control)
}

text!(
    /// 8–256 characters of any kind; never printed.
    Password,
    {"type": "string", "minLength": 8, "maxLength": 256},
    |text| match has_chars(text, 8, 256) {
        true => Ok(()),
        false => Err("must have 8 to 256 characters"),
    }
);

text!(
    /// 1–64 characters, something to see among them, no control characters.
    #[derive(Debug)]
    DisplayName,
    {"type": "string", "minLength": 1, "maxLength": 64, "pattern": LABEL},
    |text| match is_label(text, 64) {
        true => Ok(()),
        false => Err("must have 1 to 64 characters and no control characters"),
    }
);

text!(
    /// What a group is called: 1–128 characters, as a display name has them.
    #[derive(Debug)]
    Title,
    {"type": "string", "minLength": 1, "maxLength": 128, "pattern": LABEL},
    |text| match is_label(text, 128) {
        true => Ok(()),
        false => Err("must have 1 to 128 characters and no control characters"),
    }
);

text!(
    /// Why somebody reports: 1–1000 characters, something to see among them, and
    /// no control characters but the end of a line.
    #[derive(Debug)]
    Reason,
    {"type": "string", "minLength": 1, "maxLength": 1000, "pattern": REASON},
    |text| {
        let is_legal = |letter: char| !letter.is_control() || letter == '\n';
        match has_chars(text, 1, 1000) && !text.trim().is_empty() && text.chars().all(is_legal) {
            true => Ok(()),
            false => Err("must have 1 to 1000 characters and no control characters but the end of a line"),
        }
    }
);

text!(
    /// Something before and after one `@`, at most 254 characters.
    /// Whether it reaches anybody is not known.
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
    fn every_field_is_held_to_its_bounds() {
        for (text, is_good) in [
            ("ann", true),
            ("an", false),
            (&*"a".repeat(32), true),
            (&*"a".repeat(33), false),
            ("Ann_B.c-9", true),
            ("ann b", false),
            ("änn", false),
            ("ann\0", false),
        ] {
            assert_eq!(takes::<Username>(text), is_good, "{text}");
        }
        assert!(takes::<Password>(&"ü".repeat(8)) && takes::<Password>(&"ü".repeat(256)));
        assert!(!takes::<Password>("1234567") && !takes::<Password>(&"x".repeat(257)));
        assert!(takes::<DisplayName>("Ä") && takes::<DisplayName>(&"x".repeat(64)));
        for bad in ["", " ", "a\nb", "a\0", &"x".repeat(65)] {
            assert!(!takes::<DisplayName>(bad), "{bad:?}");
        }
        assert!(takes::<Reason>("ö") && takes::<Reason>(&"ö".repeat(1000)) && takes::<Reason>("a\nb"));
        for bad in ["", " \n", "a\tb", "a\rb", "a\0", &"x".repeat(1001)] {
            assert!(!takes::<Reason>(bad), "{bad:?}");
        }
        assert!(takes::<Email>(&format!("{}@ü", "ü".repeat(252))), "characters count, not bytes");
        assert!(takes::<Email>("a@b") && takes::<Email>(&format!("{}@b", "a".repeat(252))));
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a\n@b", &format!("{}@b", "a".repeat(253))] {
            assert!(!takes::<Email>(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let password: Password = serde_json::from_value("correct horse".into()).unwrap();
        assert!(!format!("{password:?}").contains("horse"));
    }
}
