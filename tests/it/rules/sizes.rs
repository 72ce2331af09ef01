//! Size limits of folders and files.

use std::fs;
use std::path::{Path, PathBuf};

/// Maximum files of one folder, without its subfolders.
const MAX_FILES: usize = 20;
/// Maximum lines of a file before its unit tests.
const MAX_LINES: usize = 400;

/// Source folders of this repository, with all folders below.
const READ: [&str; 3] = ["src", "client", "tests"];

fn folders_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let below = entries.filter(|path| path.is_dir() && !path.ends_with("node_modules"));
    below.flat_map(|path| folders_below(&path)).chain([folder.to_owned()]).collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.is_file()).collect()
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders: Vec<PathBuf> = READ.iter().flat_map(|folder| folders_below(&root.join(folder))).collect();
    assert!(folders.len() > 30, "the folders are found");
    folders
}

fn lines_before_tests(text: &str) -> usize {
    text.split("\n#[cfg(test)]\nmod tests {").next().map_or(0, |code| code.lines().count())
}

#[test]
fn no_folder_has_more_than_20_files() {
    let crowded: Vec<_> = folders().into_iter().filter(|folder| files_in(folder).len() > MAX_FILES).collect();
    assert!(crowded.is_empty(), "{crowded:?}");
}

#[test]
fn no_file_has_more_than_400_lines_before_its_tests() {
    let sources = folders().into_iter().filter(|folder| !folder.components().any(|part| part.as_os_str() == "tests"));
    let is_code = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs" || extension == "js");
    let files: Vec<_> = sources.flat_map(|folder| files_in(&folder)).filter(is_code).collect();
    assert!(files.len() > 200, "the files are found");
    let length = |path: &PathBuf| lines_before_tests(&fs::read_to_string(path).expect("a text"));
    let long: Vec<_> =
        files.into_iter().map(|path| (length(&path), path)).filter(|(lines, _)| *lines > MAX_LINES).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn lines_are_counted_up_to_the_tests() {
    assert_eq!(lines_before_tests("a\nb\n\n#[cfg(test)]\nmod tests {\n    c\n}\n"), 2);
    assert_eq!(lines_before_tests("a\nb\n"), 2);
}
