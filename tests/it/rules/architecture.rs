//! Architecture rules that no compiler checks: the allowed imports of each layer, the files that
//! may use certain names, and the required documentation. They are checked against the sources.
//!
//! Changing the layers requires a deliberate change of `LAYERS`.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use switchboard::error::Code;
use switchboard::ops::frames::FRAMES;
use switchboard::wire::CloseCode;

/// A layer, and the parts of the crate it may name: a module, or one item of it. `main` and `app`
/// wire the parts and may name everything.
const LAYERS: &[(&str, &[&str])] = &[
    ("fuzzing", &["ws::transport::Inbound", "ops::frames::Entry", "wire"]),
    ("ws", &["http", "dispatch", "ops", "auth", "wire", "hub", "limits", "metrics", "clock", "error", "ids"]),
    (
        "http",
        &[
            "dispatch",
            "jobs::driver::JobStatus",
            "jobs::driver::JobStatuses",
            "ops",
            "auth",
            "wire",
            "schema",
            "hub",
            "limits",
            "metrics",
            "phase",
            "clock",
            "error",
            "ids",
            "config",
        ],
    ),
    ("jobs", &["dispatch", "ops", "hub", "metrics", "clock", "error", "ids"]),
    (
        "dispatch",
        &["ops", "store", "hub", "limits", "metrics", "policy", "auth::Caller", "wire", "clock", "error", "ids"],
    ),
    ("ops", &["store", "policy", "search", "text", "wire", "schema", "auth::Caller", "limits::Class", "error", "ids"]),
    ("hub", &["wire", "metrics", "clock", "error", "ids"]),
    ("store", &["background", "clock::random_bytes", "metrics", "search", "text::DELETED_USER", "error", "ids"]),
    ("auth", &["background", "text", "clock", "error", "ids"]),
    ("policy", &["error", "ids"]),
    ("search", &["error"]),
    ("limits", &["error", "ids"]),
    ("wire", &["schema", "text", "error", "ids"]),
    ("text", &[]),
    ("background", &[]),
    ("schema", &["ids"]),
    ("metrics", &[]),
    ("phase", &[]),
    ("clock", &["ids"]),
    ("logging", &[]),
    ("error", &[]),
    ("ids", &[]),
    ("config", &[]),
];

/// The places in `src/` where an external name is allowed; a folder ends with a slash.
const PLACES: &[(&str, &[&str])] = &[
    ("diesel", &["store/"]),
    ("diesel_migrations", &["store/"]),
    ("actix_web", &["http/", "ws/", "app/", "main.rs", "jobs/"]),
    ("actix_web_actors", &["ws/"]),
    ("actix_server", &["ws/transport/"]),
    ("jsonwebtoken", &["auth/"]),
    ("env::var", &["config/"]),
    // Every route is a `Call`, which describes it.
    ("web::resource", &["http/call.rs"]),
    ("web::route", &[]),
    ("dotenvy", &["config/"]),
    ("prometheus_client", &["metrics.rs"]),
];

/// The lowest version of each package that is free of a known fault.
const FLOORS: &[(&str, [u64; 3])] = &[("actix-http", [3, 19, 0]), ("diesel", [2, 3, 10])];

/// A file of `src/`: its code without comments, strings and unit tests.
pub struct Source {
    /// The path below `src/`.
    pub path: String,
    text: String,
    code: String,
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let below = path.strip_prefix(root().join("src")).expect("a file of src");
        Self { path: below.to_str().expect("a plain name").to_owned(), code: code(&text), text }
    }

    /// A file that exists only in a test.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), code: code(text), text: text.into() }
    }

    /// The imports of its `use` lines, each with whether it is a re-export: the path, and the local
    /// name.
    pub fn uses(&self) -> Vec<(bool, Vec<(String, String)>)> {
        let mut uses = Vec::new();
        for statement in self.statements() {
            let (visibility, tree) = statement.split_once("use ").expect("a use line");
            let leaves = leaves_with_names(tree.trim_end_matches(';'), "");
            uses.push((!visibility.trim().is_empty(), leaves));
        }
        uses
    }

    /// The text of each `use` line, from its visibility to its semicolon.
    fn statements(&self) -> Vec<&str> {
        let mut found = Vec::new();
        let mut at = 0;
        for line in self.code.split_inclusive('\n') {
            let trimmed = line.trim_start();
            let after = trimmed.strip_prefix("pub").map_or(trimmed, |rest| {
                rest.strip_prefix('(').map_or(rest, |rest| rest.split_once(')').map_or(rest, |(_, rest)| rest))
            });
            if after.trim_start().starts_with("use ") {
                let begin = at + line.len() - trimmed.len();
                let length = self.code[begin..].find(';').expect("a use line ends") + 1;
                found.push(&self.code[begin..begin + length]);
            }
            at += line.len();
        }
        found
    }

    /// Paths in the code itself, such as `crate::wire::encode` or `child::make`.
    pub fn paths_outside_of_uses(&self) -> Vec<String> {
        let mut rest = self.code.clone();
        for statement in self.statements() {
            rest = rest.replacen(statement, "", 1);
        }
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let words = rest.split(|c| !is_part(c)).map(|word| word.trim_matches(':'));
        let is_path = |word: &&str| word.contains("::") && word.starts_with(|c: char| c.is_lowercase());
        words.filter(is_path).map(str::to_owned).collect()
    }

    /// The layer it belongs to: `ops/send_message.rs` to `ops`.
    fn layer(&self) -> &str {
        let first = self.path.split('/').next().expect("a path has parts");
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Whether it is declared for tests only, and is not part of the build.
    fn is_for_tests(&self) -> bool {
        let path = root().join("src").join(&self.path);
        let declared = |parent: &str| {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
            ["mod", "pub(crate) mod"].iter().any(|form| parent.contains(&format!("#[cfg(test)]\n{form} {stem};")))
        };
        fs::read_to_string(path.with_file_name("mod.rs")).is_ok_and(|parent| declared(&parent))
    }

    fn line_of(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }

    /// Every path that begins at the root of the crate, one for each leaf of a
    /// `use` tree: `crate::{a::B, c}` is `a::B` and `c`.
    fn arrows(&self) -> Vec<(usize, String)> {
        let mut arrows = Vec::new();
        for (offset, root) in self.code.match_indices("crate::") {
            if self.code[..offset].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
                continue;
            }
            let line = self.line_of(offset);
            let tree = Tree { rest: &self.code[offset + root.len()..] };
            arrows.extend(tree.leaves("").0.into_iter().map(|leaf| (line, leaf)));
        }
        arrows
    }
}

/// The leaves of a `use` tree: the path of each, and the name it gets.
fn leaves_with_names(tree: &str, prefix: &str) -> Vec<(String, String)> {
    let tree = tree.trim();
    let Some((head, body)) = tree.split_once('{') else {
        let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
        let path = path.trim().trim_end_matches("::self").trim_end_matches("::*");
        let path = if path == "self" { String::new() } else { path.to_owned() };
        let path = [prefix, &path].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("::");
        let last = path.rsplit("::").next().unwrap_or_default().to_owned();
        return vec![(path, if alias.is_empty() { last } else { alias.trim().to_owned() })];
    };
    let head = head.trim().trim_end_matches("::");
    let prefix = [prefix, head].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("::");
    let body = body.trim_end().strip_suffix('}').expect("a use tree ends");
    let (mut depth, mut begin, mut leaves) = (0, 0, Vec::new());
    for (at, letter) in body.char_indices().chain([(body.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = body[begin..at].trim();
                if !part.is_empty() {
                    leaves.extend(leaves_with_names(part, &prefix));
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
    leaves
}

/// Parses a `use` tree, or a plain path, from its beginning.
struct Tree<'a> {
    rest: &'a str,
}

impl<'a> Tree<'a> {
    /// The leaves, each with `prefix` before it, and the text after the tree.
    fn leaves(self, prefix: &str) -> (Vec<String>, &'a str) {
        let rest = self.rest.trim_start();
        if let Some(mut rest) = rest.strip_prefix('{') {
            let mut leaves = Vec::new();
            loop {
                rest = rest.trim_start_matches([',', ' ', '\n']);
                if let Some(rest) = rest.strip_prefix('}') {
                    return (leaves, rest);
                }
                let (more, after) = Tree { rest }.leaves(prefix);
                assert!(after.len() < rest.len(), "a use tree ends: {rest:.40}");
                leaves.extend(more);
                rest = after;
            }
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let path = match (prefix, name) {
            ("", name) => name.to_owned(),
            // A glob imports the whole module.
            (prefix, "") => prefix.to_owned(),
            (prefix, name) => format!("{prefix}::{name}"),
        };
        let rest = rest.strip_prefix('*').unwrap_or(rest);
        match rest.strip_prefix("::") {
            Some(rest) => Tree { rest }.leaves(&path),
            None => (vec![path], skip_alias(rest)),
        }
    }
}

/// The name after ` as name`.
fn skip_alias(rest: &str) -> &str {
    match rest.strip_prefix(" as ") {
        Some(alias) => alias.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'),
        None => rest,
    }
}

/// The text with comments, strings and the unit tests at the end blanked out,
/// so that lines keep their numbers.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text.split("\n#[cfg(test)]\nmod tests {").next().expect("a split has a first part");
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '"' => end_of_string(rest),
            // This is a character, not a lifetime.
            '\'' if rest.starts_with("'\\") => 3 + rest[3..].find('\'').expect("a character ends"),
            '\'' if rest.chars().nth(2) == Some('\'') => 2 + rest.chars().nth(1).map_or(0, char::len_utf8),
            _ => 0,
        };
        if length == 0 {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            code.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    code
}

/// The length of a string literal, quotes included.
fn end_of_string(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        ends
    });
    end.expect("a string ends").0 + 1
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of src") {
            let path = entry.expect("an entry").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "rs" => sources.push(Source::read(&path)),
                _ => {}
            }
        }
    }
    assert!(sources.len() > 50, "the sources are found");
    sources
}

/// The files that are part of the binary.
pub fn shipped() -> Vec<Source> {
    sources().into_iter().filter(|source| !source.is_for_tests()).collect()
}

/// The paths of those files, and their text without comments and unit tests; lines keep their
/// numbers.
pub fn shipped_texts() -> Vec<(String, String)> {
    let without_comments =
        |line: &str| if line.trim_start().starts_with("//") { String::new() } else { line.to_owned() };
    let text = |source: Source| {
        let text = source.text.split("\n#[cfg(test)]\nmod tests {").next().expect("a split has a first part");
        (source.path, text.lines().map(without_comments).collect::<Vec<_>>().join("\n"))
    };
    shipped().into_iter().map(text).collect()
}

/// A violation and its place; printed as `src/file.rs:7: …`.
struct Violation {
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.file, self.line, self.what)
    }
}

fn assert_none(violations: &[Violation]) {
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
}

fn violations_of_layers(source: &Source) -> Vec<Violation> {
    let layer = source.layer();
    if ["main", "lib", "app"].contains(&layer) {
        return Vec::new();
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        return vec![Violation { file: source.path.clone(), line: 1, what: format!("{layer} is in no layer") }];
    };
    let may = |arrow: &str| {
        let module = arrow.split("::").next().expect("a path has parts");
        module == layer || allowed.iter().any(|item| *item == module || *item == arrow)
    };
    let wrong = source.arrows().into_iter().filter(|(_, arrow)| !may(arrow));
    wrong
        .map(|(line, arrow)| Violation { file: source.path.clone(), line, what: format!("{layer} → {arrow}") })
        .collect()
}

fn violations_of_places(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, places) in PLACES {
        if places.iter().any(|place| source.path == *place || place.ends_with('/') && source.path.starts_with(place)) {
            continue;
        }
        for (offset, _) in source.code.match_indices(name) {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let before = source.code[..offset].ends_with(|c| is_part(c) || c == '.');
            let after = source.code[offset + name.len()..].starts_with(is_part);
            // `actix_web::…` is a path, `env::var_os` reads the environment too.
            if !before && (!after || name.contains("::")) {
                let what = format!("{name} belongs to {}", places.join(", "));
                violations.push(Violation { file: source.path.clone(), line: source.line_of(offset), what });
            }
        }
    }
    violations
}

/// Reads `docs/PROTOCOL.md`.
fn protocol() -> String {
    let path = root().join("docs/PROTOCOL.md");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("docs/PROTOCOL.md describes the protocol: {error}"))
}

/// Whether the text mentions `name`, as code: `` `name` ``.
fn names(text: &str, name: &str) -> bool {
    text.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{name}`")))
}

#[test]
fn every_module_imports_only_allowed_layers() {
    let violations: Vec<_> = shipped().iter().flat_map(violations_of_layers).collect();
    assert_none(&violations);
}

#[test]
fn every_library_is_used_only_in_its_layer() {
    let violations: Vec<_> = shipped().iter().flat_map(violations_of_places).collect();
    assert_none(&violations);
}

#[test]
fn the_import_parser_recognizes_every_form() {
    let source = |path: &str, text: &str| Source { path: path.into(), code: code(text), text: text.into() };
    let arrows = |text: &str| source("hub/mod.rs", text).arrows();
    assert_eq!(arrows("use crate::ids::UserId;"), [(1, "ids::UserId".into())]);
    assert_eq!(arrows("\nuse crate::{\n    dispatch::Transport,\n    wire::{self, Effect as E},\n};").len(), 3);
    assert_eq!(arrows("fn f() -> crate::store::Db {}"), [(1, "store::Db".into())]);
    assert_eq!(
        arrows("use crate::ids::*; // crate::dispatch::Transport\nlet text = \"crate::net\";"),
        [(1, "ids".into())]
    );
    assert_eq!(arrows("#[cfg(test)]\nmod tests {\n use crate::http::Site;\n}").len(), 1, "only below code");
    assert!(arrows("fn f() {}\n\n#[cfg(test)]\nmod tests {\n use crate::http::Site;\n}").is_empty());

    let layers = |path: &str, text: &str| -> Vec<String> {
        violations_of_layers(&source(path, text)).iter().map(ToString::to_string).collect()
    };
    assert_eq!(layers("hub/mod.rs", "\nuse crate::store::Db;"), ["src/hub/mod.rs:2: hub → store::Db"]);
    assert!(layers("ops/x.rs", "use crate::auth::Caller;").is_empty());
    assert_eq!(layers("ops/x.rs", "use crate::auth::{Caller, Passwords};"), ["src/ops/x.rs:1: ops → auth::Passwords"]);
    assert_eq!(layers("drawer.rs", "").len(), 1);

    let places = |path: &str, text: &str| violations_of_places(&source(path, text)).len();
    assert_eq!(places("ops/x.rs", "use diesel::prelude::*;"), 1);
    assert_eq!(places("store/x.rs", "use diesel::prelude::*;"), 0);
    assert_eq!(places("http/rest.rs", "use actix_web::web;"), 0);
    assert_eq!(places("http/rest.rs", "use actix_web_actors::ws;"), 1);
    assert_eq!(places("hub/mod.rs", "let home = std::env::var_os(name);"), 1);
}

#[test]
fn every_file_starts_with_its_purpose() {
    let silent: Vec<_> = sources().into_iter().filter(|source| !source.text.starts_with("//! ")).collect();
    let violation = |source: Source| Violation { file: source.path, line: 1, what: "opens without //!".into() };
    assert_none(&silent.into_iter().map(violation).collect::<Vec<_>>());
}

#[test]
fn every_client_frame_is_documented() {
    let protocol = protocol();
    let missing: Vec<_> = FRAMES.iter().map(|entry| entry.kind).filter(|kind| !names(&protocol, kind)).collect();
    assert!(missing.is_empty(), "docs/PROTOCOL.md lacks {missing:?}");
}

#[test]
fn every_server_frame_is_documented() {
    let mut kinds = BTreeSet::new();
    for source in shipped() {
        let spaced = source.text.replace(char::is_whitespace, "");
        for (at, call) in spaced.match_indices("encode(\"") {
            let kind = spaced[at + call.len()..].split('"').next().expect("a string ends");
            kinds.insert(kind.to_owned());
        }
    }
    assert!(kinds.contains("private_message") && kinds.contains("error"), "the frames are found: {kinds:?}");
    let protocol = protocol();
    kinds.insert("ack".to_owned());
    let missing: Vec<_> = kinds.iter().filter(|kind| !names(&protocol, kind)).collect();
    assert!(missing.is_empty(), "docs/PROTOCOL.md lacks {missing:?}");
}

#[test]
fn every_error_and_close_code_is_documented() {
    let protocol = protocol();
    let codes = Code::ALL.iter().map(|code| code.meaning().name.to_owned()).filter(|name| !names(&protocol, name));
    let numbers = CloseCode::ALL.iter().map(|code| code.on_the_wire().0.to_string());
    let missing: Vec<_> = codes.chain(numbers.filter(|number| !has_number(&protocol, number))).collect();
    assert!(missing.is_empty(), "docs/PROTOCOL.md lacks {missing:?}");
}

/// Whether the number appears there by itself.
fn has_number(text: &str, number: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == number)
}

#[test]
fn every_error_code_is_used() {
    let sources = shipped();
    let users = || sources.iter().filter(|source| source.path != "error.rs");
    let unused: Vec<_> =
        Code::ALL.into_iter().filter(|code| !users().any(|source| makes(&source.code, *code))).collect();
    assert!(unused.is_empty(), "no code outside error.rs uses {unused:?}");
}

/// Whether the code constructs the error of that name, other than in a pattern.
fn makes(text: &str, code: Code) -> bool {
    let name = format!("Error::{code:?}");
    text.match_indices(&name).any(|(at, _)| {
        let rest = &text[at + name.len()..];
        let is_longer = rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let is_pattern = rest.lines().next().is_some_and(|line| line.contains("=>")) || rest.starts_with("(_)");
        !is_longer && !is_pattern
    })
}

#[test]
fn every_operation_with_replay_implements_replays() {
    let answers = |source: &Source| {
        source.layer() == "ops" && source.code.contains("\nimpl Op") && source.code.contains("\n    fn replay(")
    };
    let answering: Vec<_> = shipped().into_iter().filter(answers).collect();
    assert!(answering.len() > 2, "the operations are found");
    let silent = answering.into_iter().filter(|source| !source.code.contains("\n    fn replays("));
    let violation = |source: Source| Violation { file: source.path, line: 1, what: "`replays` is missing".into() };
    assert_none(&silent.map(violation).collect::<Vec<_>>());
}

#[test]
fn the_lock_file_has_no_version_with_a_known_fault() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock is kept");
    for (package, floor) in FLOORS {
        let entries = lock.split("[[package]]").filter(|entry| entry.contains(&format!("name = \"{package}\"\n")));
        let versions: Vec<Vec<u64>> = entries
            .map(|entry| entry.split("version = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a version"))
            .map(|version| version.split(['.', '-', '+']).take(3).map(|part| part.parse().expect("a number")).collect())
            .collect();
        assert!(!versions.is_empty(), "{package} is in Cargo.lock");
        assert!(versions.iter().all(|version| version[..] >= floor[..]), "{package} {versions:?} is below {floor:?}");
    }
}
