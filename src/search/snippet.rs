//! Builds the snippet of a text around its matches.

use schemars::JsonSchema;
use serde::Serialize;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// Maximum characters of a snippet, and of its part before the first match.
const MAX_CHARS: usize = 160;
const MAX_BEFORE: usize = 40;

/// A part of a message around its matches. Offsets are in Unicode scalar values, like all lengths
/// on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Snippet {
    /// Part of the content, unchanged.
    pub text: String,
    /// Start of the snippet in the content.
    pub offset: usize,
    /// Start and end of each match in `text`.
    pub matches: Vec<[usize; 2]>,
}

/// Cuts a snippet between characters as people see them. `found` comes from `Query::find`; matches
/// beyond the cut are left out.
pub fn snippet(content: &str, found: &[Range<usize>]) -> Snippet {
    let first = found.first().map_or(0, |range| range.start);
    let from = step(content[..first].graphemes(true).rev(), MAX_BEFORE);
    let start = first - from;
    let end = start + step(content[start..].graphemes(true), MAX_CHARS);
    let chars = |from: usize, to: usize| content[from..to].chars().count();
    let inside = found.iter().filter(|range| range.start < end);
    let matches = inside.map(|range| [chars(start, range.start), chars(start, range.end.min(end))]);
    Snippet { text: content[start..end].to_owned(), offset: chars(0, start), matches: matches.collect() }
}

/// Returns the byte length of the leading clusters that have at most `most` characters together.
fn step<'a>(clusters: impl Iterator<Item = &'a str>, most: usize) -> usize {
    let mut left = most;
    let fits = |cluster: &&str| match left.checked_sub(cluster.chars().count()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    clusters.take_while(fits).map(str::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Query;
    use proptest::prelude::*;

    fn of(q: &str, content: &str) -> Snippet {
        snippet(content, &Query::parse(q).unwrap().find(content).unwrap())
    }

    #[test]
    fn a_short_text_is_returned_whole() {
        let content = "👨‍👩‍👧 Öl und Öl";
        assert_eq!(of("öl", content), Snippet { text: content.into(), offset: 0, matches: vec![[6, 8], [13, 15]] });
    }

    #[test]
    fn a_long_text_is_cut_around_the_first_match() {
        let content = format!("{} needle {}", "ä ".repeat(100), "needle ".repeat(100));
        let Snippet { text, offset, matches } = of("needle", &content);
        assert_eq!((text.chars().count(), offset, matches[0]), (160, 161, [40, 46]));
        let cut: String = content.chars().skip(offset).take(160).collect();
        assert_eq!(text, cut);
        assert!(matches.iter().all(|[from, to]| from < to && *to <= 160), "{matches:?}");
    }

    proptest! {
        #[test]
        fn a_snippet_marks_the_found_matches(content in "(a|ß|東|👍🏽|e\u{301}| |\\.){0,300}") {
            let Some(found) = Query::parse("a").unwrap().find(&content) else { return Ok(()) };
            let Snippet { text, offset, matches } = snippet(&content, &found);
            let chars: Vec<char> = content.chars().collect();
            let cut: Vec<char> = text.chars().collect();
            prop_assert!(cut.len() <= 160 && chars[offset..].starts_with(&cut));
            prop_assert!(!matches.is_empty());
            for [from, to] in matches {
                prop_assert_eq!(cut[from], 'a');
                prop_assert!(from < to && to <= cut.len());
            }
        }
    }
}
