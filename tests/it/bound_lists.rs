//! No statement binds a list whose length nobody bounds: SQLite binds 32,766
//! values, and a list grows with what a person has.

use crate::architecture::shipped_texts;

/// Arguments that are queries of their own, and bind no list.
const SUBQUERIES: [&str; 1] = ["beyond"];

/// Every list that a statement of this source binds past `bound`.
fn unbounded(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for call in [".eq_any(", ".ne_all("] {
        for (at, _) in source.match_indices(call) {
            let argument = source[at + call.len()..].trim_start().trim_start_matches('&');
            let name: String =
                argument.chars().take_while(|letter| letter.is_alphanumeric() || "_:".contains(*letter)).collect();
            let function = &source[source[..at].rfind("fn ").unwrap_or(0)..at];
            if !SUBQUERIES.contains(&&*name) && !is_bound(function, &name) {
                let line = source[..at].matches('\n').count() + 1;
                found.push(format!("line {line}: {call}{name}"));
            }
        }
    }
    found
}

/// Whether a `let` of the function takes this name from `bound`.
fn is_bound(function: &str, name: &str) -> bool {
    function.split("let ").skip(1).any(|statement| {
        let (names, value) = statement.split_once('=').unwrap_or_default();
        let value = value.split(';').next().unwrap_or_default();
        let is_named = names.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == name);
        is_named && (value.contains("bound(") || value.contains(".map(bound)"))
    })
}

#[test]
fn every_list_that_a_statement_binds_has_a_bound() {
    let sources = shipped_texts();
    assert!(sources.iter().any(|(_, text)| text.contains(".eq_any(")), "lists are found");
    let found: Vec<String> = sources
        .iter()
        .flat_map(|(path, text)| unbounded(text).into_iter().map(move |place| format!("src/{path} {place}")))
        .collect();
    assert!(found.is_empty(), "make the list with store::bound, or join: {found:#?}");
}

#[test]
fn the_reader_of_lists_sees_every_form_of_them() {
    for good in [
        "fn f() { let ids = bound(ids)?; t.filter(a::id.eq_any(&ids)) }",
        "fn f() { let (from, to) = (bound(from)?, bound(to)?); t.filter(x.eq_any(&from).and(y.eq_any(&to))) }",
        "fn f() { let only = only.map(bound).transpose()?; if let Some(only) = &only { x.eq_any(only) } }",
        "fn f() { logins::id.eq_any(beyond) }",
    ] {
        assert_eq!(unbounded(good), [""; 0], "{good}");
    }
    for bad in [
        "fn f() { let ids: Vec<i64> = ids.iter().collect(); x.eq_any(&ids) }",
        "fn f() { x.ne_all(hidden) }",
        "fn f() { let ids = bound(ids)?; } fn g() { x.eq_any(&ids) }",
        "fn f() { let ids = bound(ids)?; x.eq_any(&others) }",
    ] {
        assert_eq!(unbounded(bad).len(), 1, "{bad}");
    }
}
