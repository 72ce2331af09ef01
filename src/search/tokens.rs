//! Splits a text into tokens and into the terms that index it.
//!
//! A word is the text between two breaks. A script without spaces is split into characters. It is
//! indexed by each character and by each pair of adjacent characters, so that a word is found
//! anywhere in a sentence.

use super::fold::{Class, fold};
use std::collections::BTreeSet;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// Maximum indexed length of a word, in characters.
const MAX_TERM_CHARS: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    /// The folded text: ASCII letters and digits, and characters outside ASCII.
    pub text: String,
    /// Position in the text, in bytes.
    pub at: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// A character of a dense script; `follows` means that another one precedes it without a break.
    Dense {
        follows: bool,
    },
    Sign,
}

pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    // The class that the next cluster would continue.
    let mut before = Class::Break;
    let mut folded = String::new();
    for (start, cluster) in text.grapheme_indices(true) {
        folded.clear();
        let class = fold(cluster, &mut folded);
        let end = start + cluster.len();
        let kind = match class {
            Class::Nothing => continue,
            Class::Break => None,
            Class::Word => Some(Kind::Word),
            Class::Dense => Some(Kind::Dense { follows: before == Class::Dense }),
            Class::Sign => Some(Kind::Sign),
        };
        match (kind, tokens.last_mut()) {
            (None, _) => {}
            (Some(Kind::Word), Some(word)) if before == Class::Word => {
                word.text.push_str(&folded);
                word.at.end = end;
            }
            (Some(kind), _) => tokens.push(Token { kind, text: folded.clone(), at: start..end }),
        }
        before = class;
    }
    tokens
}

/// Returns the terms that index a text: each once. ASCII characters in them are only lower-case
/// letters and digits.
pub fn terms(text: &str) -> BTreeSet<String> {
    let tokens = tokens(text);
    let pairs = tokens.windows(2).filter_map(|pair| pair_term(&pair[0], &pair[1]));
    tokens.iter().map(|token| clip(&token.text).to_owned()).chain(pairs).collect()
}

/// Returns the term of two adjacent characters.
pub(super) fn pair_term(one: &Token, other: &Token) -> Option<String> {
    let is_pair = other.kind == Kind::Dense { follows: true };
    is_pair.then(|| clip(&format!("{}{}", one.text, other.text)).to_owned())
}

/// Returns the indexed beginning of a word.
pub(super) fn clip(word: &str) -> &str {
    match word.char_indices().nth(MAX_TERM_CHARS) {
        Some((end, _)) => &word[..end],
        None => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    /// Compares the whole list: a change of it requires a new `VERSION`.
    #[test]
    fn each_language_is_split_into_words_and_pairs() {
        for (text, expected) in [
            ("Hello, World!", "hello world"),
            ("Straße über GRÖSSE", "grosse strasse uber"),
            ("L'école à Noël", "a ecole l noel"),
            ("Привет, Ёлка", "елка привет"),
            ("Łódź, Æbleø, O’Neil OʼNeil", "aebleo lodz neil o"),
            ("我在东京", "东 东京 京 在 在东 我 我在"),
            ("東京タワー", "た たわ わ わー ー 京 京た 東 東京"),
            ("서울 역", "서 서울 역 울"),
            ("ดีมาก", "ก ดี ดีม ม มา า าก"),
            ("مَرْحَبًا يا أحمد", "احمد مرحبا يا"),
            ("ok 👍🏽❤️", "ok ❤ 👍"),
            ("fn foo_bar(x: u8) -> C++", "bar c fn foo u8 x"),
            ("https://example.com/a?b=1", "1 a b com example https"),
            ("co\u{ad}operate", "cooperate"),
            ("iPhone日本15", "15 iphone 日 日本 本"),
            (" .,;!?…—\u{0}\u{202e} ", ""),
        ] {
            assert_eq!(Vec::from_iter(terms(text)).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn tokens_report_their_position() {
        let text = "Né «été» 東京";
        let at: Vec<&str> = tokens(text).into_iter().map(|token| &text[token.at]).collect();
        assert_eq!(at, ["Né", "été", "東", "京"]);
    }

    #[test]
    fn adjacent_dense_characters_differ_from_separated_ones() {
        let follows = |text: &str| tokens(text).last().map(|token| token.kind);
        assert_eq!(follows("東京"), Some(Kind::Dense { follows: true }));
        for apart in ["東 京", "東。京", "東a京", "東👍京"] {
            assert_eq!(follows(apart), Some(Kind::Dense { follows: false }), "{apart}");
        }
        assert_eq!(words("can't"), ["can", "t"]);
    }

    #[test]
    fn a_term_has_at_most_64_characters() {
        assert_eq!(terms(&"ä".repeat(100)).pop_first(), Some("a".repeat(64)));
    }

    proptest! {
        /// Neither database may read a term as anything but one term.
        #[test]
        fn no_text_yields_a_term_that_needs_quoting(text in any::<String>()) {
            for term in terms(&text) {
                let is_safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || !c.is_ascii();
                prop_assert!(!term.is_empty() && term.chars().all(is_safe), "{:?}", term);
                prop_assert!(!term.contains('§'), "{:?}", term);
            }
        }

        #[test]
        fn tokens_follow_each_other_on_character_boundaries(text in any::<String>()) {
            let mut end = 0;
            for token in tokens(&text) {
                prop_assert!(token.at.start >= end && text.get(token.at.clone()).is_some());
                end = token.at.end;
            }
        }
    }
}
