//! A message query: words and phrases that a text must all contain.

use super::tokens::{Kind, Token, clip, pair_term, tokens};
use crate::error::{Error, Result};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;

pub const MAX_CHARS: usize = 256;
const MAX_PARTS: usize = 16;
/// Maximum number of exact terms that one query asks the index for; the text is checked for the
/// rest.
const MAX_EXACT: usize = 32;
/// Maximum number of prefix terms in a query; the longest are used. Prefix terms are expensive to
/// look up.
const MAX_PREFIXES: usize = 2;

/// A query: parts that must all be found.
#[derive(Clone, Debug)]
pub struct Query {
    parts: Vec<Part>,
}

/// A phrase: consecutive tokens.
#[derive(Clone, Debug)]
struct Part {
    tokens: Vec<Token>,
    /// The last word may be a prefix.
    is_open: bool,
}

/// A term that an indexed message must have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    pub text: String,
    /// A longer term that begins with this text also matches.
    pub is_prefix: bool,
}

impl Query {
    /// Parses a query. Spaces separate words. Text in quotes, and text without spaces such as
    /// `example.com`, is a phrase. A word that is not in quotes may be a prefix.
    ///
    /// # Errors
    /// `Invalid`, when the query is empty or too long.
    pub fn parse(q: &str) -> Result<Self> {
        if q.chars().nth(MAX_CHARS).is_some() {
            return Err(Error::Invalid(format!("q must have at most {MAX_CHARS} characters").into()));
        }
        let mut parts = Vec::new();
        // With an odd number of quotes, the last phrase ends with the text.
        for (at, piece) in q.split(['"', '“', '”', '„']).enumerate() {
            match at % 2 {
                0 => parts.extend(piece.split_whitespace().map(|word| Part { tokens: tokens(word), is_open: true })),
                _ => parts.push(Part { tokens: tokens(piece), is_open: false }),
            }
        }
        parts.retain(|part| !part.tokens.is_empty());
        match parts.len() {
            0 => Err(Error::Invalid("q must have a letter, a digit or an emoji".into())),
            1..=MAX_PARTS => Ok(Self { parts }),
            _ => Err(Error::Invalid(format!("q must have at most {MAX_PARTS} words").into())),
        }
    }

    /// Returns terms that every matching message has: at least one, but not always all conditions.
    pub fn terms(&self) -> Vec<Term> {
        let all: BTreeSet<Term> = self.parts.iter().flat_map(Part::terms).collect();
        let (mut prefixes, exact): (Vec<Term>, Vec<Term>) = all.into_iter().partition(|term| term.is_prefix);
        prefixes.sort_by_key(|term| Reverse(term.text.chars().count()));
        prefixes.truncate(MAX_PREFIXES);
        exact.into_iter().take(MAX_EXACT).chain(prefixes).collect()
    }

    /// Returns the positions of the matches in the text, in bytes and in order; none when a part is
    /// missing.
    pub fn find(&self, text: &str) -> Option<Vec<Range<usize>>> {
        let tokens = tokens(text);
        let mut found = Vec::new();
        for part in &self.parts {
            let before = found.len();
            found.extend(part.find(&tokens));
            if found.len() == before {
                return None;
            }
        }
        Some(joined(found))
    }
}

impl Part {
    fn terms(&self) -> Vec<Term> {
        let term = |text: &str, is_prefix| Term { text: clip(text).to_owned(), is_prefix };
        let last = self.tokens.len() - 1;
        let mut terms = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let next = self.tokens.get(at + 1).and_then(|next| pair_term(token, next));
            match (next, token.kind) {
                (Some(pair), _) => terms.push(Term { text: pair, is_prefix: false }),
                // This token is the end of a pair that is already in the list.
                (None, Kind::Dense { follows: true }) => {}
                (None, Kind::Word) => terms.push(term(&token.text, self.is_open && at == last)),
                (None, _) => terms.push(term(&token.text, false)),
            }
        }
        terms
    }

    fn find<'a>(&'a self, text: &'a [Token]) -> impl Iterator<Item = Range<usize>> + 'a {
        let windows = text.windows(self.tokens.len()).filter(|window| self.is_at(window));
        windows.filter_map(|window| Some(window.first()?.at.start..window.last()?.at.end))
    }

    fn is_at(&self, window: &[Token]) -> bool {
        let last = window.len() - 1;
        self.tokens.iter().zip(window).enumerate().all(|(at, (wanted, token))| match wanted.kind {
            Kind::Word if at == last && self.is_open => {
                token.kind == Kind::Word && token.text.starts_with(&wanted.text)
            }
            Kind::Dense { follows: true } if at > 0 => token.kind == wanted.kind && token.text == wanted.text,
            _ => token.text == wanted.text,
        })
    }
}

/// Sorts the ranges, and merges those that overlap or touch.
fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    ranges.dedup_by(|next, range| {
        let is_same = next.start <= range.end;
        if is_same {
            range.end = range.end.max(next.end);
        }
        is_same
    });
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::terms;
    use proptest::prelude::*;

    /// Returns the marked texts, or nothing when the query does not match.
    fn marked(q: &str, text: &str) -> Vec<String> {
        let found = Query::parse(q).unwrap().find(text).unwrap_or_default();
        found.into_iter().map(|at| text[at].to_owned()).collect()
    }

    #[test]
    fn all_words_match_as_prefixes_in_any_order() {
        assert_eq!(marked("wor hel", "Hello, cruel World"), ["Hello", "World"]);
        assert!(marked("hello moon", "Hello, World").is_empty());
        assert!(marked("ello", "Hello").is_empty());
        assert_eq!(marked("STRASSE", "die Straße"), ["Straße"]);
        assert_eq!(marked("Straße", "DIE STRASSE"), ["STRASSE"]);
        assert_eq!(marked("ecole", "à l'école"), ["école"]);
        assert_eq!(marked("привет", "Приветствую"), ["Приветствую"]);
        assert_eq!(marked("👍", "gut 👍🏽!"), ["👍🏽"]);
    }

    #[test]
    fn a_phrase_matches_adjacent_words_and_a_whole_last_word() {
        assert_eq!(marked("\"new york\"", "In New York, new york"), ["New York", "new york"]);
        assert!(marked("\"new york\"", "york is new").is_empty());
        assert!(marked("\"new yor\"", "new york").is_empty());
        assert_eq!(marked("“new york” pizza", "Pizza in New York"), ["Pizza", "New York"]);
        assert_eq!(marked("\"new york", "a new york"), ["new york"]);
    }

    #[test]
    fn words_joined_without_a_space_form_a_phrase() {
        assert_eq!(marked("example.com", "see https://example.com/a"), ["example.com"]);
        assert!(marked("example.com", "com example").is_empty());
        assert_eq!(marked("foo_ba", "let foo_bar = 1"), ["foo_bar"]);
        assert_eq!(marked("can't", "I can’t"), ["can’t"]);
    }

    #[test]
    fn a_word_is_found_inside_a_sentence_without_spaces() {
        for (q, text) in [
            ("东京", "我在东京大学学习"),
            ("大学学习", "我在东京大学学习"),
            ("京", "我在东京"),
            ("タワー", "東京タワーです"),
            ("학교", "우리학교에서"),
            ("มาก", "อร่อยมากครับ"),
            ("ดี", "สวัสดีครับ"),
        ] {
            assert_eq!(marked(q, text), [q], "{q} in {text}");
        }
        assert!(marked("京大", "京 大").is_empty());
        assert!(marked("东学", "东京大学").is_empty());
        assert!(marked("东京", "京东").is_empty());
        assert_eq!(marked("\"iphone 日本\"", "iPhone日本語"), ["iPhone日本"]);
    }

    #[test]
    fn empty_and_oversized_queries_are_refused() {
        for q in ["", "  ", "\"\"", "?!", "-- * ( ) :", "\u{ad}", &"a".repeat(257), &"a ".repeat(17)] {
            let error = Query::parse(q).unwrap_err();
            assert!(matches!(&error, Error::Invalid(text) if text.starts_with("q ")), "{q}: {error:?}");
        }
        for q in ["a", &"a".repeat(256), &"a ".repeat(16), "\" OR 1=1 --", "NEAR(a b)", "a* AND b:c", "^a + {b}"] {
            assert!(Query::parse(q).is_ok(), "{q}");
        }
    }

    #[test]
    fn an_index_query_uses_pairs_and_few_prefixes() {
        let asked = |q: &str| -> Vec<String> {
            let terms = Query::parse(q).unwrap().terms().into_iter();
            terms.map(|term| format!("{}{}", term.text, if term.is_prefix { "*" } else { "" })).collect()
        };
        assert_eq!(asked("東京都 都"), ["京都", "東京", "都"]);
        assert_eq!(asked("a longest longer b"), ["longest*", "longer*"]);
        assert_eq!(asked("\"a b\" c"), ["a", "b", "c*"]);
        assert_eq!(asked("x.y"), ["x", "y*"]);
    }

    #[test]
    fn overlapping_matches_are_merged() {
        assert_eq!(marked("\"a b\" \"b c\"", "a b c d"), ["a b c"]);
    }

    proptest! {
        /// For every match in a text, the index entry of the text would have proposed it.
        #[test]
        fn every_match_contains_the_queried_index_terms(text in "[a-cß東京ดีก 👍.\"]{0,12}", q in "[a-cß東京ดีก 👍.\"]{1,6}") {
            let Ok(query) = Query::parse(&q) else { return Ok(()) };
            if query.find(&text).is_some() {
                let indexed = terms(&text);
                for Term { text: wanted, is_prefix } in query.terms() {
                    let has = |term: &String| if is_prefix { term.starts_with(&wanted) } else { *term == wanted };
                    prop_assert!(indexed.iter().any(has), "{:?} in {:?}", wanted, indexed);
                }
            }
        }

        #[test]
        fn any_part_of_unspaced_text_is_found(text in "[東京都大学]{1,10}", from in 0usize..10, length in 1usize..10) {
            let part: String = text.chars().skip(from).take(length).collect();
            if let Ok(query) = Query::parse(&part) {
                prop_assert!(query.find(&text).is_some());
            }
        }
    }
}
