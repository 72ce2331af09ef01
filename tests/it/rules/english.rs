//! Plain English, as far as a machine can see it: words and sentence openers that readers stumble
//! over, and long lines of prose.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Characters of a line of prose.
const MAX_LINE: usize = 120;

/// Characters of the name of a test.
const MAX_NAME: usize = 60;

/// Words that have a plainer one, in prose of any kind.
const BANNED: [&str; 3] = ["whoever", "anew", "oneself"];

/// Words that begin a sentence only if it is a question.
const OPENERS: [&str; 3] = ["Who", "What", "Whoever"];

/// The files that `git` knows, below these paths and with these endings.
fn files(patterns: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = Command::new("git").arg("-C").arg(root).arg("ls-files").args(patterns).output().expect("git runs");
    assert!(listed.status.success(), "the sources are a git checkout");
    let listed = String::from_utf8(listed.stdout).expect("plain names");
    listed.lines().map(|name| root.join(name)).filter(|path| path.is_file()).collect()
}

/// A line of prose, and where it stands.
struct Line {
    number: usize,
    text: String,
}

/// The lines of Markdown that are prose: no code blocks, tables or headings.
fn markdown(text: &str) -> Vec<Line> {
    let mut is_code = false;
    let mut prose = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code && !line.starts_with(['|', '#']) {
            prose.push(Line { number: at + 1, text: line.to_owned() });
        }
    }
    prose
}

/// The comments of a Rust source that have a line of their own, without their marks; code and tables
/// become empty lines, so that no sentence goes across it.
fn comments(text: &str) -> Vec<Line> {
    let comment = |line: &str| {
        let rest = line.trim_start().strip_prefix("//")?;
        let text = rest.trim_start_matches(['/', '!']).trim_start();
        (!text.starts_with('|')).then(|| text.to_owned())
    };
    text.lines()
        .enumerate()
        .map(|(at, line)| Line { number: at + 1, text: comment(line).unwrap_or_default() })
        .collect()
}

/// The faults in the words of these lines, by their numbers.
fn faults_of_words(lines: &[Line]) -> Vec<(usize, String)> {
    let mut faults = Vec::new();
    let mut begins_sentence = true;
    for (at, Line { number, text }) in lines.iter().enumerate() {
        if text.trim().is_empty() || text.starts_with(['#', '-', '*', '>']) {
            begins_sentence = true;
        }
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            if BANNED.contains(&word.to_lowercase().as_str()) {
                faults.push((*number, format!("the word `{word}`")));
            }
        }
        let mut rest = text.trim_start_matches(['#', '-', '*', '>', ' ']);
        loop {
            let word = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            if begins_sentence && OPENERS.contains(&word) && !is_question(rest, &lines[at + 1..]) {
                faults.push((*number, format!("a sentence begins with `{word}`")));
            }
            let Some(end) = rest.find(['.', '!', '?']) else { break };
            let after = &rest[end + 1..];
            begins_sentence = after.is_empty() || after.starts_with(' ');
            rest = after.trim_start();
            if rest.is_empty() {
                break;
            }
        }
        if !text.trim().is_empty() && !text.trim_end().ends_with(['.', '!', '?']) {
            begins_sentence = false;
        }
    }
    faults
}

/// Whether the sentence at the beginning of this text, which may go on in later lines, ends with `?`.
fn is_question(text: &str, later: &[Line]) -> bool {
    let later = later.iter().map(|line| line.text.as_str()).take_while(|line| !line.trim().is_empty());
    let sentence =
        std::iter::once(text).chain(later).find_map(|part| part.find(['.', '!', '?']).map(|end| &part[end..]));
    sentence.is_some_and(|end| end.starts_with('?'))
}

fn long_lines(lines: &[Line]) -> Vec<(usize, String)> {
    // A link or a command may be longer than a line.
    let is_long = |line: &&Line| line.text.chars().count() > MAX_LINE && line.text.split_whitespace().count() > 1;
    lines.iter().filter(is_long).map(|line| (line.number, "a long line of prose".to_owned())).collect()
}

fn assert_none(faults: Vec<(PathBuf, Vec<(usize, String)>)>) {
    let lines = faults.into_iter().flat_map(|(path, faults)| {
        faults.into_iter().map(move |(number, what)| format!("{}:{number}: {what}", path.display()))
    });
    let lines: Vec<String> = lines.collect();
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
}

#[test]
fn documents_are_plain_english_in_lines_of_120_characters() {
    let documents = files(&["*.md"]);
    assert!(documents.len() > 5, "the documents are found");
    let faults = documents.into_iter().map(|path| {
        let lines = markdown(&fs::read_to_string(&path).expect("a text"));
        (path, [faults_of_words(&lines), long_lines(&lines)].concat())
    });
    assert_none(faults.collect());
}

#[test]
fn comments_are_plain_english() {
    let sources = files(&["src/*.rs", "tests/it/*.rs", "benches/*.rs", "examples/*.rs"]);
    assert!(sources.len() > 200, "the sources are found");
    let faults = sources.into_iter().map(|path| {
        let lines = comments(&fs::read_to_string(&path).expect("a text"));
        (path, [faults_of_words(&lines), long_lines(&lines)].concat())
    });
    assert_none(faults.collect());
}

/// The names of functions that are too long, by the numbers of their lines.
fn long_names(text: &str) -> Vec<(usize, String)> {
    let name = |line: &str| {
        let rest = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
        let name = rest.strip_prefix("fn ")?.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        (name.len() > MAX_NAME).then(|| format!("the name {name}"))
    };
    text.lines().enumerate().filter_map(|(at, line)| Some((at + 1, name(line)?))).collect()
}

#[test]
fn names_of_tests_have_at_most_60_characters() {
    let sources = files(&["src/*.rs", "tests/it/*.rs"]);
    assert!(sources.len() > 300, "the sources are found");
    let faults = sources.into_iter().map(|path| {
        let text = fs::read_to_string(&path).expect("a text");
        (path, long_names(&text))
    });
    assert_none(faults.collect());
}

#[test]
fn a_test_name_has_at_most_60_characters() {
    let named = |length: usize| long_names(&format!("#[test]\nasync fn {}() {{}}", "x".repeat(length)));
    assert!(named(60).is_empty());
    assert_eq!(named(61).len(), 1);
}

#[test]
fn language_faults_are_found_at_their_position() {
    let faults = |text: &str| -> Vec<(usize, String)> { faults_of_words(&markdown(text)) };
    let opens = |word: &str| format!("a sentence begins with `{word}`");
    assert_eq!(faults("Who asks gets it.\n"), [(1, opens("Who"))]);
    assert_eq!(faults("It ends. What is left\ngoes on."), [(1, opens("What"))]);
    assert_eq!(faults("It ends\nhere. Whoever comes"), [(2, "the word `Whoever`".into()), (2, opens("Whoever"))]);
    assert_eq!(faults("It begins anew."), [(1, "the word `anew`".into())]);
    assert!(faults("Who is there? What\nis that? It says who.\n\n| Who asks |\n").is_empty());
    assert!(faults("```\nWho asks.\n```\nHere is what\nWho says.").is_empty(), "a sentence goes on");
    assert_eq!(long_lines(&markdown(&"word ".repeat(25))).len(), 1);
    assert!(long_lines(&markdown(&"word ".repeat(24))).is_empty());
    assert!(long_lines(&markdown(&format!("| {} |", "word ".repeat(25)))).is_empty());
    let code = comments("/// Who asks.\nlet text = \"Who\";\n    // What is\n    // this?");
    assert_eq!(faults_of_words(&code), [(1, opens("Who"))]);
}
