//! No statement binds a list of unbounded length: SQLite binds 32,766 values, and some lists grow
//! with a user's data.

use super::architecture::shipped_texts;

/// Arguments that are queries of their own, and bind no list.
const SUBQUERIES: [&str; 1] = ["beyond"];

/// Every list that a statement of this source binds value by value with Diesel's own methods.
fn unbounded(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for call in [".eq_any(", ".ne_all("] {
        for (at, _) in source.match_indices(call) {
            let argument = source[at + call.len()..].trim_start().trim_start_matches('&');
            let name: String =
                argument.chars().take_while(|letter| letter.is_alphanumeric() || "_:".contains(*letter)).collect();
            if !SUBQUERIES.contains(&&*name) {
                let line = source[..at].matches('\n').count() + 1;
                found.push(format!("line {line}: {call}{name}"));
            }
        }
    }
    found
}

#[test]
fn every_list_bound_by_a_statement_has_a_limit() {
    let sources = shipped_texts();
    assert!(sources.iter().any(|(_, text)| text.contains(".among(")), "lists are found");
    let found: Vec<String> = sources
        .iter()
        .flat_map(|(path, text)| unbounded(text).into_iter().map(move |place| format!("src/{path} {place}")))
        .collect();
    assert!(found.is_empty(), "make the list with store::id_list, or join: {found:#?}");
}

#[test]
fn the_list_parser_recognizes_every_form() {
    for good in ["x.among(&ids)", "logins::id.eq_any(beyond)"] {
        assert_eq!(unbounded(good), [""; 0], "{good}");
    }
    for bad in ["x.eq_any(&ids)", "x.ne_all(hidden)", "x\n    .eq_any(  ids.iter().collect::<Vec<i64>>())"] {
        assert_eq!(unbounded(bad).len(), 1, "{bad}");
    }
}
