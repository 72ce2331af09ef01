//! Import cycles: no file of `src/` may import itself by way of others.
//!
//! A file imports another when it names an item that the other defines. A name that a `mod.rs` only
//! re-exports counts as an import of the file that defines it. A `mod.rs` that declares or
//! re-exports its children does not import them.

use super::architecture::{Source, shipped};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The files by their modules: `ws::transport` for `ws/transport/mod.rs`.
struct House {
    modules: BTreeMap<String, Source>,
    /// Names that a module re-exports, with their full paths.
    faces: HashMap<(String, String), String>,
}

impl House {
    fn new(sources: Vec<Source>) -> Self {
        let sources = sources.into_iter().filter(|source| source.path != "main.rs");
        let modules: BTreeMap<String, Source> = sources.map(|source| (module_of(&source.path), source)).collect();
        let mut faces = HashMap::new();
        for (module, source) in &modules {
            for (is_public, leaves) in source.uses() {
                for (path, name) in leaves.into_iter().filter(|_| is_public) {
                    faces.insert((module.clone(), name), path);
                }
            }
        }
        Self { modules, faces }
    }

    /// The path from the root of the crate; none for another crate.
    fn absolute(&self, path: &str, module: &str) -> Option<Vec<String>> {
        let mut parts: Vec<&str> = path.split("::").collect();
        let mut from: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
        match parts[0] {
            "crate" => from.clear(),
            "self" | "super" => {
                while let Some(first @ ("self" | "super")) = parts.first().copied() {
                    if first == "super" {
                        from.pop();
                    }
                    parts.remove(0);
                }
                return Some(from.into_iter().chain(parts).map(str::to_owned).collect());
            }
            first => {
                let child = from.iter().copied().chain([first]).collect::<Vec<_>>().join("::");
                if !self.modules.contains_key(&child) {
                    return None;
                }
                return Some(from.into_iter().chain(parts).map(str::to_owned).collect());
            }
        }
        Some(parts[1..].iter().map(|part| (*part).to_owned()).collect())
    }

    /// The module that defines the item of the path.
    fn defined_in(&self, path: &[String], depth: usize) -> Option<String> {
        (0..=path.len()).rev().find_map(|length| {
            let module = path[..length].join("::");
            self.modules.get(&module)?;
            if let Some(name) = path.get(length)
                && let Some(stands_for) = self.faces.get(&(module.clone(), name.clone()))
                && let (Some(mut further), true) = (self.absolute(stands_for, &module), depth < 5)
            {
                further.extend_from_slice(&path[length + 1..]);
                return self.defined_in(&further, depth + 1);
            }
            Some(module)
        })
    }

    fn imports(&self, module: &str) -> BTreeSet<String> {
        let source = &self.modules[module];
        let is_face = source.path.ends_with("mod.rs");
        let used = source.uses().into_iter().filter(|(is_public, _)| !(is_face && *is_public));
        let used = used.flat_map(|(_, leaves)| leaves.into_iter().map(|(path, _)| path));
        let named = source.paths_outside_of_uses();
        let all = used.chain(named).filter_map(|path| self.defined_in(&self.absolute(&path, module)?, 0));
        all.filter(|other| other != module && !other.is_empty()).collect()
    }

    /// The files of each cycle.
    fn circles(&self) -> Vec<Vec<String>> {
        let arrows: BTreeMap<&String, BTreeSet<String>> =
            self.modules.keys().map(|module| (module, self.imports(module))).collect();
        let reached: BTreeMap<&String, BTreeSet<String>> =
            arrows.keys().map(|module| (*module, reachable(module, &arrows))).collect();
        let mut circles = BTreeSet::new();
        for (module, there) in &reached {
            if there.contains(*module) {
                let both = |other: &&String| reached[*other].contains(*module);
                let circle: BTreeSet<String> =
                    there.iter().filter(both).map(|name| self.modules[name].path.clone()).collect();
                circles.insert(circle);
            }
        }
        circles.into_iter().map(|circle| circle.into_iter().collect()).collect()
    }
}

/// Every module that can be reached by at least one import.
fn reachable(from: &String, arrows: &BTreeMap<&String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&String> = arrows[from].iter().collect();
    while let Some(module) = next.pop() {
        if found.insert(module.clone()) {
            next.extend(&arrows[module]);
        }
    }
    found
}

fn module_of(path: &str) -> String {
    let path = path.strip_suffix(".rs").expect("a file of Rust");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { String::new() } else { path.replace('/', "::") }
}

fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    House::new(files.iter().map(|(path, text)| Source::new(path, text)).collect()).circles()
}

#[test]
fn files_do_not_import_each_other_in_a_cycle() {
    let circles = House::new(shipped()).circles();
    assert!(circles.is_empty(), "circles of files: {circles:#?}");
}

#[test]
fn an_import_cycle_is_found_in_every_form() {
    let lib = ("lib.rs", "mod a;\nmod b;");
    let found = |a: &str, b: &str| circles(&[lib, ("a.rs", a), ("b.rs", b)]);
    let both = [vec!["a.rs".to_owned(), "b.rs".to_owned()]];
    assert!(found("use crate::b::B;", "pub struct B;").is_empty());
    assert_eq!(found("use crate::b::B;", "use crate::a::A;"), both);
    assert_eq!(found("use super::{b::{self, B}};", "fn f() { crate::a::f() }"), both);
    assert!(found("use crate::b::B;", "// use crate::a::A;\nlet text = \"crate::a\";").is_empty());
    assert!(found("use crate::b::B;", "\n#[cfg(test)]\nmod tests {\nuse crate::a::A;\n}").is_empty());
}

#[test]
fn reexports_are_not_part_of_a_cycle_but_definitions_are() {
    let face = "mod child;\nmod other;\npub use child::Child;";
    let house = |face: &str, child: &str| {
        circles(&[("lib.rs", "mod a;"), ("a/mod.rs", face), ("a/child.rs", child), ("a/other.rs", "use super::Child;")])
    };
    assert!(house(face, "pub struct Child;").is_empty());
    assert_eq!(house(face, "use super::other::X;"), [["a/child.rs", "a/other.rs"]]);
    assert_eq!(house(&format!("{face}\nfn f() {{ child::g() }}"), "use super::f;"), [["a/child.rs", "a/mod.rs"]]);
}
