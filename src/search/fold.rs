//! Folds one character as people see it (a grapheme cluster). Folding removes what search ignores:
//! case, accents, strokes, width, ligatures, the kind of kana, skin tones.

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, Script};

/// The class of a cluster in a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Part of a word, which ends where letters and digits end.
    Word,
    /// Part of a script that puts spaces between no words, or only some words.
    Dense,
    /// A sign with its own meaning: an emoji, a currency, an arrow.
    Sign,
    /// Ignored: a soft hyphen, a direction mark.
    Nothing,
    /// A separator between words.
    Break,
}

/// Appends the folded cluster and returns its class.
pub(super) fn fold(cluster: &str, out: &mut String) -> Class {
    if let [byte] = cluster.as_bytes() {
        return match byte.is_ascii_alphanumeric() {
            true => {
                out.push(char::from(byte.to_ascii_lowercase()));
                Class::Word
            }
            false => Class::Break,
        };
    }
    let from = out.len();
    match single(cluster) {
        Some(plain) => out.push(plain),
        None => fold_any(cluster, out),
    }
    let class = match out[from..].chars().next() {
        Some(first) => class(first),
        None if cluster.chars().all(|c| category(c) == GeneralCategory::Format) => Class::Nothing,
        None => Class::Break,
    };
    if matches!(class, Class::Nothing | Class::Break) {
        out.truncate(from);
    }
    class
}

/// Returns the single character of a cluster that folding does not change. This shortcut covers
/// most text that is not ASCII.
fn single(cluster: &str) -> Option<char> {
    let mut chars = cluster.chars();
    let (Some(only), None) = (chars.next(), chars.next()) else { return None };
    match only {
        // Cyrillic: й and the letters after я have marks or their own capitals.
        'а'..='и' | 'к'..='я' => Some(only),
        'А'..='И' | 'К'..='Я' => only.to_lowercase().next(),
        // Arabic and Thai letters without a mark, a ligature or another spelling.
        '\u{627}' | '\u{628}' | '\u{62a}'..='\u{63a}' | '\u{641}'..='\u{648}' | '\u{64a}' | '\u{e01}'..='\u{e30}' => {
            Some(only)
        }
        // Hiragana, unified ideographs, Hangul syllables.
        '\u{3041}'..='\u{3096}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => Some(only),
        _ => hiragana(only),
    }
}

fn fold_any(cluster: &str, out: &mut String) {
    let apart = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(cluster.chars());
    // Lower, upper, lower: ẞ to ß to SS to ss, and ς to Σ to σ.
    let folded = apart
        .filter(|c| counts(*c))
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase);
    // Repeated, because the lower case of some letters has its own accent.
    let folded = folded.filter(|c| counts(*c)).flat_map(plain);
    // NFC composes Hangul syllables and kana again.
    out.extend(ComposingNormalizerBorrowed::new_nfc().normalize_iter(folded));
}

/// Converts katakana to hiragana.
fn hiragana(c: char) -> Option<char> {
    let is_katakana = ('\u{30a1}'..='\u{30f6}').contains(&c);
    is_katakana.then(|| char::from_u32(u32::from(c) - 0x60)).flatten()
}

/// Replaces a letter by the one that people without it on their keyboard type, where Unicode does
/// not decompose it. Digits of all scripts become ASCII.
fn plain(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'þ' => ('t', Some('h')),
        'ø' | 'ɔ' => ('o', None),
        'ł' => ('l', None),
        'đ' | 'ð' | 'ɖ' | 'ɗ' => ('d', None),
        'ħ' => ('h', None),
        'ŧ' => ('t', None),
        'ŋ' => ('n', None),
        'ɓ' => ('b', None),
        'ə' | 'ɛ' => ('e', None),
        'ɨ' => ('i', None),
        'ƙ' => ('k', None),
        'ʉ' => ('u', None),
        'ƴ' => ('y', None),
        'ґ' => ('г', None),
        // Alef, teh marbuta, alef maksura and the letters of Persian and Urdu.
        '\u{671}' => ('\u{627}', None),
        '\u{629}' | '\u{6be}' | '\u{6c1}' | '\u{6d5}' => ('\u{647}', None),
        '\u{649}' | '\u{6cc}' => ('\u{64a}', None),
        '\u{6a9}' => ('\u{643}', None),
        _ => (digit(c).or_else(|| hiragana(c)).unwrap_or(c), None),
    };
    std::iter::once(first).chain(second)
}

fn digit(c: char) -> Option<char> {
    if c.is_ascii() || category(c) != GeneralCategory::DecimalNumber {
        return None;
    }
    // Unicode keeps the ten digits of a script together and in order.
    let value = (0..10).find(|back| {
        let before = char::from_u32(u32::from(c).wrapping_sub(back + 1));
        before.is_none_or(|before| category(before) != GeneralCategory::DecimalNumber)
    })?;
    char::from_digit(value, 10)
}

/// Returns whether a character counts in a search. Marks count in scripts that are unreadable
/// without them: Devanagari, Thai, the dots of kana. Letters that look like an apostrophe count as
/// one.
fn counts(c: char) -> bool {
    const TATWEEL: char = '\u{640}';
    let is_apostrophe = matches!(c, '\u{2b9}'..='\u{2bf}' | '\u{2c8}' | '\u{2ee}' | '\u{a78b}' | '\u{a78c}');
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    let is_skin_tone = ('\u{1f3fb}'..='\u{1f3ff}').contains(&c);
    let is_kana_dot = matches!(c, '\u{3099}' | '\u{309a}');
    match category(c) {
        GeneralCategory::Format => false,
        GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark => {
            is_kana_dot || !matches!(script(c), Script::Inherited | Script::Common | Script::Arabic | Script::Hebrew)
        }
        _ => c != TATWEEL && !is_skin_tone && !is_apostrophe,
    }
}

fn class(first: char) -> Class {
    const LONG_VOWEL: char = '\u{30fc}';
    match script(first) {
        Script::Han | Script::Hiragana | Script::Katakana | Script::Hangul | Script::Bopomofo => Class::Dense,
        Script::Thai | Script::Lao | Script::Khmer | Script::Myanmar => Class::Dense,
        _ if first == LONG_VOWEL => Class::Dense,
        _ if first.is_alphanumeric() => Class::Word,
        _ => match category(first) {
            GeneralCategory::OtherSymbol | GeneralCategory::CurrencySymbol | GeneralCategory::MathSymbol => Class::Sign,
            _ => Class::Break,
        },
    }
}

fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

fn script(c: char) -> Script {
    CodePointMapData::<Script>::new().get(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(cluster: &str) -> (Class, String) {
        let mut out = String::new();
        (fold(cluster, &mut out), out)
    }

    #[test]
    fn case_accents_width_and_ligatures_make_no_difference() {
        for (cluster, expected) in [
            ("Q", "q"),
            ("ß", "ss"),
            ("ẞ", "ss"),
            ("Ü", "u"),
            ("e\u{301}", "e"),
            ("İ", "i"),
            ("ς", "σ"),
            ("Й", "и"),
            ("ё", "е"),
            ("ﬁ", "fi"),
            ("Ａ", "a"),
            ("①", "1"),
            ("أ", "ا"),
            ("بَ", "ب"),
            ("ø", "o"),
            ("Ǿ", "o"),
            ("Ł", "l"),
            ("Đ", "d"),
            ("ð", "d"),
            ("Þ", "th"),
            ("Æ", "ae"),
            ("ǣ", "ae"),
            ("œ", "oe"),
            ("ı", "i"),
            ("I", "i"),
            ("Ħ", "h"),
            ("ŋ", "n"),
            ("Ə", "e"),
            ("ґ", "г"),
            ("Ґ", "г"),
            ("ї", "і"),
            ("ή", "η"),
            ("Ώ", "ω"),
            ("ة", "ه"),
            ("ى", "ي"),
            ("ی", "ي"),
            ("ک", "ك"),
            ("ٱ", "ا"),
            ("שׁ", "ש"),
            ("٣", "3"),
            ("۳", "3"),
            ("९", "9"),
            ("０", "0"),
        ] {
            assert_eq!(folded(cluster), (Class::Word, expected.into()), "{cluster}");
        }
    }

    #[test]
    fn scripts_that_need_their_marks_keep_them() {
        for cluster in ["が", "각", "ดี", "น้ำ"] {
            let (class, out) = folded(cluster);
            assert_eq!(class, Class::Dense, "{cluster}");
            assert!(out.chars().count() >= cluster.chars().count(), "{cluster} became {out}");
        }
        for (cluster, expected) in [("ｶﾞ", "が"), ("ガ", "が"), ("ヴ", "ゔ"), ("ァ", "ぁ"), ("ー", "ー"), ("ｰ", "ー")]
        {
            assert_eq!(folded(cluster), (Class::Dense, expected.into()), "{cluster}");
        }
        assert_eq!(folded("각"), (Class::Dense, "각".into()));
        assert_eq!(folded("कि").0, Class::Word);
        assert_ne!(folded("कि").1, folded("क").1);
    }

    #[test]
    fn symbols_are_kept_without_their_skin_tone() {
        for (cluster, expected) in [("👍🏽", "👍"), ("❤️", "❤"), ("€", "€"), ("→", "→"), ("🇫🇷", "🇫🇷")]
        {
            assert_eq!(folded(cluster), (Class::Sign, expected.into()), "{cluster}");
        }
        for cluster in [".", "\"", "。", "«", "\r\n", "§", "\u{3000}", "\u{0}", "ʼ", "ʻ"] {
            assert_eq!(folded(cluster), (Class::Break, String::new()), "{cluster:?}");
        }
        assert_eq!(folded("\u{ad}"), (Class::Nothing, String::new()));
    }

    #[test]
    fn the_fast_path_folds_like_the_general_one() {
        for c in ('\0'..=char::MAX).filter(|c| !c.is_ascii()) {
            let text = c.to_string();
            if let Some(short) = single(&text) {
                let mut long = String::new();
                fold_any(&text, &mut long);
                assert_eq!(short.to_string(), long, "{c:?}");
            }
        }
    }
}
