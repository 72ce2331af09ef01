//! Every guarantee in `docs/SECURITY.md` has evidence: each row of its tables names tests, scripts
//! and benchmarks, and these exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Prefixes of the ids of guarantees.
const GROUPS: [&str; 5] = ["AU", "OR", "AZ", "IN", "OP"];

/// A row: `| AU-1 | the guarantee | the evidence |`.
struct Promise {
    id: String,
    /// The parts of the evidence that are written as code.
    shown_by: Vec<String>,
}

fn promises(document: &str) -> Vec<Promise> {
    let rows = document.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
        let [id, _, shown_by] = cells[..] else { return None };
        let is_id = id.split_once('-').is_some_and(|(group, number)| {
            GROUPS.contains(&group) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        let shown_by = shown_by.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        is_id.then(|| Promise { id: id.to_owned(), shown_by })
    });
    rows.collect()
}

/// `au_3_ten_wrong_guesses` and `AU-3: ten wrong guesses` belong to `AU-3`.
fn id_of(test: &str) -> Option<String> {
    let (group, rest) = test.split_once(['_', '-'])?;
    let (number, _) = rest.split_once(['_', ':'])?;
    let group = group.to_uppercase();
    let is_id = GROUPS.contains(&&*group) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then(|| format!("{group}-{number}"))
}

/// The names of tests in a Rust or JavaScript file.
fn tests_in(path: &Path, text: &str) -> Vec<String> {
    let name = |rest: &str| -> String {
        rest.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    let after = |start: &'static str| text.match_indices(start).map(move |(at, _)| &text[at + start.len()..]);
    if path.extension().is_some_and(|extension| extension == "js") {
        let quoted = after("test(").filter_map(|rest| {
            let quote = rest.chars().next().filter(|letter| "'`\"".contains(*letter))?;
            rest[1..].split(quote).next().map(str::to_owned)
        });
        return quoted.collect();
    }
    let made = after("_databases!(").chain(after("any_database!(")).map(name);
    let marked = after("test]").filter_map(|rest| rest.split_once("fn ").map(|(_, rest)| name(rest)));
    made.chain(marked).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The tests of each file, by its path, without the example names in this file.
fn tests() -> BTreeMap<String, Vec<String>> {
    let mut tests = BTreeMap::new();
    let mut folders = ["tests/it", "tests/browser", "src", "client"].map(|folder| root().join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of tests") {
            let path = entry.expect("an entry").path();
            let below = path.strip_prefix(root()).expect("below the root").to_str().expect("a plain name").to_owned();
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if below != "tests/it/rules/promises.rs" && (below.ends_with(".rs") || below.ends_with(".test.js")) {
                let text = fs::read_to_string(&path).expect("a file of tests");
                tests.insert(below, tests_in(&path, &text));
            }
        }
    }
    assert!(tests.values().flatten().count() > 500, "the tests are found");
    tests
}

/// The errors in the tables, given the existing tests.
fn faults(document: &str, tests: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let promises = promises(document);
    let mut faults = Vec::new();
    for Promise { id, shown_by } in &promises {
        for shown in shown_by {
            // A file without a folder is in any folder of `tests/it`.
            let (file, test) = shown.split_once("::").map_or((&**shown, None), |(file, test)| (file, Some(test)));
            let is_named = |path: &&String| path.starts_with("tests/it/") && path.ends_with(&format!("/{file}"));
            let file = tests.keys().find(is_named).map_or(file, String::as_str);
            let is_there = match test {
                None => root().join(file).is_file(),
                Some(test) => tests.get(file).is_some_and(|tests| tests.iter().any(|known| known.starts_with(test))),
            };
            if !is_there {
                faults.push(format!("{id}: there is no {shown}"));
            }
        }
        if shown_by.is_empty() {
            faults.push(format!("{id}: it has no evidence"));
        }
    }
    let promised: BTreeSet<_> = promises.iter().map(|promise| promise.id.clone()).collect();
    let named: BTreeSet<_> = tests.values().flatten().filter_map(|test| id_of(test)).collect();
    faults.extend(promised.difference(&named).map(|id| format!("{id}: no test is named after it")));
    faults.extend(
        named.difference(&promised).map(|id| format!("{id}: a test is named after it, and no row promises it")),
    );
    faults
}

#[test]
fn every_guarantee_names_existing_tests() {
    let document = fs::read_to_string(root().join("docs/SECURITY.md")).expect("docs/SECURITY.md");
    let faults = faults(&document, &tests());
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(promises(&document).len() > 20, "{}", promises(&document).len());
}

#[test]
fn the_guarantee_parser_finds_missing_tests() {
    let rust = "both_databases!(au_1_it_holds, X = \"1\");\nany_database!(\n    or_2_here,\n);\n#[test]\nfn in_3_too() {}\n\
        #[tokio::test]\n#[ignore]\nasync fn op_4_last() {}\nfn az_9_is_no_test() {}";
    let names = tests_in(Path::new("x.rs"), rust);
    assert_eq!(names, ["au_1_it_holds", "or_2_here", "in_3_too", "op_4_last"]);
    let javascript = "test('OR-2: a page', x);\ntest(`IN-6: ${name}`, x);\nlatest(name);";
    assert_eq!(tests_in(Path::new("x.test.js"), javascript), ["OR-2: a page", "IN-6: ${name}"]);

    let tests = BTreeMap::from([("tests/it/x.rs".to_owned(), names)]);
    let row = |id: &str, shown: &str| format!("| {id} | it holds | {shown} |\n");
    let all = [
        row("AU-1", "`x.rs::au_1_it_holds`, `scripts/test`"),
        row("OR-2", "`tests/it/x.rs::or_2_here`"),
        row("IN-3", "`scripts/mutate`"),
        row("OP-4", "`x.rs::op_4_last`"),
    ];
    assert_eq!(faults(&all.concat(), &tests), [""; 0]);
    let without_one = all[..3].concat();
    assert_eq!(faults(&without_one, &tests), ["OP-4: a test is named after it, and no row promises it"]);
    for (row, fault) in [
        (row("AU-1", "`x.rs::au_1_gone`"), "AU-1: there is no x.rs::au_1_gone"),
        (row("AU-1", "`scripts/gone`"), "AU-1: there is no scripts/gone"),
        (row("AU-1", "nothing"), "AU-1: it has no evidence"),
        (row("AZ-9", "`x.rs::au_1_it_holds`"), "AZ-9: no test is named after it"),
    ] {
        assert_eq!(faults(&format!("{}{row}", all.concat()), &tests), [fault]);
    }
}
