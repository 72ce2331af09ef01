//! Name search: the words that a person is found by, and the words of a query for a person. Pure.
//!
//! Every query word must be the beginning of a word of the person. A name in a script without
//! spaces has a word for each of its characters, from there to the end. Any part of such a name
//! therefore finds it.

use super::tokens::{Kind, clip, tokens};
use std::collections::BTreeMap;

/// The source of a person's word; better matches come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WordKind {
    /// The whole username.
    Username = 0,
    /// The first word of the display name.
    First = 1,
    /// A later word of the display name, or a part of the username.
    Other = 2,
}

/// A parsed query for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameQuery {
    /// All of these words must be found. Without any words, only the username counts.
    pub words: Vec<String>,
    /// The beginning of a username, if `q` can be one and its words are less specific.
    pub username: Option<String>,
}

impl NameQuery {
    /// Parses a query. A leading `@` searches usernames only. Returns `None` when the query can
    /// find nothing.
    pub fn parse(q: &str) -> Option<Self> {
        let q = q.trim();
        let name = q.strip_prefix(['@', '＠']);
        let text = name.unwrap_or(q);
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let username = (!text.is_empty() && text.bytes().all(is_legal)).then(|| text.to_ascii_lowercase());
        if name.is_some() && username.is_some() {
            return Some(Self { words: Vec::new(), username });
        }
        let mut words: Vec<String> = Vec::new();
        for token in tokens(text) {
            match (token.kind, words.last_mut()) {
                (Kind::Dense { follows: true }, Some(run)) => run.push_str(&token.text),
                _ => words.push(token.text),
            }
        }
        let mut words: Vec<String> = words.iter().map(|word| clip(word).to_owned()).collect();
        words.sort_unstable();
        words.dedup();
        // A single word already finds the usernames that begin with it.
        let username = username.filter(|username| words != [username.as_str()]);
        (!words.is_empty() || username.is_some()).then_some(Self { words, username })
    }
}

/// Returns the words of a person, each once and with its best kind.
pub fn name_words(username: &str, display_name: &str) -> BTreeMap<String, WordKind> {
    let mut words = Words::default();
    let whole = username.to_ascii_lowercase();
    // A query for this part already finds the whole username.
    let parts = tokens(username).into_iter().map(|part| part.text).filter(|part| !whole.starts_with(part));
    parts.for_each(|part| words.add(&part, WordKind::Other));
    words.add(&whole, WordKind::Username);
    words.add_display_name(display_name);
    words.best
}

#[derive(Default)]
struct Words {
    best: BTreeMap<String, WordKind>,
    has_first: bool,
}

impl Words {
    fn add(&mut self, word: &str, kind: WordKind) {
        let best = self.best.entry(clip(word).to_owned()).or_insert(kind);
        *best = kind.min(*best);
    }

    /// Returns the kind of the next word of the display name.
    fn next(&mut self) -> WordKind {
        if std::mem::replace(&mut self.has_first, true) { WordKind::Other } else { WordKind::First }
    }

    fn add_display_name(&mut self, name: &str) {
        // A family name and a given name form one run, with or without a space.
        let mut run: Vec<String> = Vec::new();
        for chunk in name.split_whitespace() {
            let (mut joined, mut parts, mut kind) = (String::new(), 0, None);
            for token in tokens(chunk) {
                if matches!(token.kind, Kind::Dense { .. }) {
                    run.push(token.text);
                    continue;
                }
                self.add_run(&std::mem::take(&mut run));
                let next = self.next();
                self.add(&token.text, next);
                if token.kind == Kind::Word {
                    joined.push_str(&token.text);
                    parts += 1;
                    kind.get_or_insert(next);
                }
            }
            // `O'Neil` is also indexed as `oneil`.
            if let (2.., Some(kind)) = (parts, kind) {
                self.add(&joined, kind);
            }
        }
        self.add_run(&run);
    }

    /// Adds every suffix of a run of characters.
    fn add_run(&mut self, run: &[String]) {
        for start in 0..run.len() {
            let kind = self.next();
            self.add(&run[start..].concat(), kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the words with their kinds, in word order.
    fn words(username: &str, display_name: &str) -> String {
        let words = name_words(username, display_name);
        words.iter().map(|(word, kind)| format!("{word}{}", *kind as i64)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_user_has_a_search_word_for_each_part_of_their_names() {
        for (username, display_name, expected) in [
            ("ann", "ann", "ann0"),
            ("Ann.B", "Ann  Ünal Ann", "ann1 ann.b0 b2 unal2"),
            ("_bob", "Bob", "_bob0 bob1"),
            ("x_1", "Mary Ann Jones", "12 ann2 jones2 mary1 x_10"),
            ("jl", "Jean-Luc", "jean1 jeanluc1 jl0 luc2"),
            ("sean", "Seán O’Neil", "neil2 o2 oneil2 sean0"),
            ("taro", "田中 太郎", "taro0 中太郎2 太郎2 田中太郎1 郎2"),
            ("kim", "김철수", "kim0 김철수1 수2 철수2"),
            ("uni", "🦄 Groß", "gross2 uni0 🦄1"),
        ] {
            assert_eq!(words(username, display_name), expected, "{username} {display_name}");
        }
    }

    #[test]
    fn a_name_query_is_words_or_a_username() {
        let parsed = |q: &str| NameQuery::parse(q).map(|query| (query.words.join(" "), query.username));
        let some = |words: &str, username: Option<&str>| Some((words.to_owned(), username.map(str::to_owned)));
        for (q, expected) in [
            ("ann", some("ann", None)),
            ("  Ann MARY ann ", some("ann mary", None)),
            ("@Ann", some("", Some("ann"))),
            ("＠ann_b", some("", Some("ann_b"))),
            ("@Ann Lee", some("ann lee", None)),
            ("ann.b", some("ann b", Some("ann.b"))),
            ("a_", some("a", Some("a_"))),
            ("_", some("", Some("_"))),
            ("O’Neil", some("neil o", None)),
            ("田中 太", some("太 田中", None)),
            ("%", None),
            ("@", None),
            ("", None),
        ] {
            assert_eq!(parsed(q), expected, "{q}");
        }
    }

    #[test]
    fn a_name_yields_at_most_one_word_per_character() {
        let longest = name_words("a.b.c.d", &"田".repeat(64));
        assert!(longest.len() <= 64 + 4 && longest.keys().all(|word| word.chars().count() <= 64));
    }
}
