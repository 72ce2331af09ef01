//! Rules for text from users: visible content, names that cannot imitate others, and normalized
//! passwords. Pure functions.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};
use std::borrow::Cow;

/// The display name of a closed account.
pub const DELETED_USER: &str = "Deleted user";

/// Usernames that no user can register, because they seem to speak for the hub. Separators and
/// digits around them make no difference.
const RESERVED: [&str; 14] = [
    "abuse",
    "admin",
    "administrator",
    "deleted",
    "deleteduser",
    "everyone",
    "mod",
    "moderator",
    "postmaster",
    "root",
    "security",
    "support",
    "switchboard",
    "system",
];

/// Whether the character is visible by itself. A combining mark is: on a blank, or on the letter
/// before it.
///
/// Private and unassigned characters count as visible: an emoji newer than this table is unassigned
/// here.
fn is_visible(letter: char) -> bool {
    const BRAILLE_BLANK: char = '\u{2800}';
    let is_annotation = ('\u{fff9}'..='\u{fffb}').contains(&letter);
    if letter.is_ascii() {
        return letter.is_ascii_graphic();
    }
    let is_blank = letter.is_whitespace() || letter.is_control() || letter == BRAILLE_BLANK || is_annotation;
    !is_blank && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(letter)
}

/// Whether the text has any visible character.
pub fn has_visible(text: &str) -> bool {
    text.chars().any(is_visible)
}

/// Whether the character changes the direction of the text after it. This includes text that the
/// page writes after a name.
pub fn is_bidi_control(letter: char) -> bool {
    !letter.is_ascii() && CodePointSetData::new::<BidiControl>().contains(letter)
}

/// Returns a name from an external identity provider on one line, without control characters and
/// repeated blanks. `None` when nothing visible is left, or when it is the name of a closed
/// account.
pub fn clean_name(name: &str, max_chars: usize) -> Option<String> {
    let name: String = name
        .chars()
        .filter(|letter| !is_bidi_control(*letter))
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    let name: String = name.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(max_chars).collect();
    Some(name.trim().to_owned()).filter(|name| has_visible(name) && !is_name_of_closed(name))
}

/// Whether a username is reserved for the hub itself.
pub fn is_reserved_username(username: &str) -> bool {
    let letters = username.trim_matches(|letter: char| !letter.is_ascii_alphabetic());
    let letters: String = letters.chars().filter(|letter| !"_.-".contains(*letter)).collect();
    RESERVED.contains(&letters.to_ascii_lowercase().as_str())
}

/// Whether a display name looks like that of a closed account.
pub fn is_name_of_closed(display_name: &str) -> bool {
    comparable(display_name) == comparable(DELETED_USER)
}

/// Normalizes a display name for comparison with usernames and reserved names. The comparison
/// ignores case, width, repeated blanks and invisible characters.
pub fn comparable(display_name: &str) -> String {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let visible = display_name.chars().filter(|letter| !ignorable.contains(*letter));
    let folded = ComposingNormalizerBorrowed::new_nfkc().normalize_iter(visible).flat_map(char::to_lowercase);
    folded.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Normalizes a password for hashing, by the OpaqueString profile of RFC 8265. Every blank becomes
/// a space, and accented letters are composed. The same keys give the same password on every
/// system.
pub fn opaque_string(password: &str) -> Cow<'_, str> {
    if password.is_ascii() {
        return Cow::Borrowed(password);
    }
    let category = CodePointMapData::<GeneralCategory>::new();
    let spaced: String = password
        .chars()
        .map(|letter| if category.get(letter) == GeneralCategory::SpaceSeparator { ' ' } else { letter })
        .collect();
    match ComposingNormalizerBorrowed::new_nfc().normalize(&spaced) {
        normalized if normalized == password => Cow::Borrowed(password),
        normalized => Cow::Owned(normalized.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_alone_are_not_visible_text() {
        for blank in [
            "",
            " \n\t",
            "\u{200b}",
            "\u{200d}\u{200c}",
            "\u{2800}",
            "\u{3164}\u{115f}\u{1160}\u{ffa0}",
            "\u{ad}\u{feff}",
            "\u{202e}\u{2066}\u{200f}",
            "\u{fe0f}",
            "\u{e0041}\u{e007f}",
            "\u{34f}\u{180e}",
        ] {
            assert!(!has_visible(blank), "{blank:?}");
        }
        for shown in ["a", ".", "👩‍👩‍👧‍👦", "❤️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "می‌خواهم", "क्‍ष", "\u{f8ff}", "\u{1fbff}", "\u{301}", "ー"]
        {
            assert!(has_visible(shown), "{shown:?}");
        }
    }

    #[test]
    fn separators_case_and_digits_do_not_hide_a_reserved_username() {
        for name in
            ["admin", "Admin", "ADMINISTRATOR", "_admin_", "ad.min", "support-1", "system", "Root", "deleted.user"]
        {
            assert!(is_reserved_username(name), "{name}");
        }
        for name in ["adminka", "ada", "rooter", "sysadmin", "ann.admin", "supporter", "modesty", "123"] {
            assert!(!is_reserved_username(name), "{name}");
        }
    }

    #[test]
    fn closed_account_names_are_recognized_in_every_spelling() {
        for name in
            ["Deleted user", "deleted  USER", "Ｄeleted user", "Del\u{200b}eted\u{a0}user ", "deleted\u{ad} user"]
        {
            assert!(is_name_of_closed(name), "{name:?}");
        }
        for name in ["Deleted users", "Undeleted user", "deleteduser"] {
            assert!(!is_name_of_closed(name), "{name:?}");
        }
    }

    #[test]
    fn an_external_display_name_is_cleaned() {
        assert_eq!(clean_name(" Ann\u{202e}\tB. \u{0} Smith\n", 64).as_deref(), Some("Ann B. Smith"));
        assert_eq!(clean_name(&"x ".repeat(64), 4).as_deref(), Some("x x"));
        for nothing in ["", "\u{200b}", "\u{202e}\u{2800}", "Deleted user"] {
            assert_eq!(clean_name(nothing, 64), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_password_has_one_normal_form() {
        for (typed, expected) in [
            ("correct horse", "correct horse"),
            ("Ga\u{308}nseblu\u{308}mchen", "Gänseblümchen"),
            ("Gänseblümchen", "Gänseblümchen"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("\u{304b}\u{3099}", "が"),
            ("tie\u{302}\u{301}ng", "tiếng"),
            ("a\u{a0}b\u{3000}c", "a b c"),
            // The profile keeps width, case and ligatures.
            ("ＡbC ﬁ", "ＡbC ﬁ"),
        ] {
            assert_eq!(opaque_string(typed), expected, "{typed:?}");
        }
    }
}
