//! No statement contains text from a client: SQL in the sources is constant text, and values are
//! bound.

use super::architecture::shipped_texts;

/// Functions and macros that take SQL; the argument begins right behind.
const TAKERS: [&str; 5] = ["sql_query(", "batch_execute(", "push_sql(", "sql(", ">("];

/// Runs the files of `migrations/`, which are constant text in the binary.
const MIGRATIONS: &str = "store/connection/migrations.rs";

/// Words that begin a statement, or a part of one.
const STATEMENTS: [&str; 11] = [
    "SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "DROP ", "ALTER ", "PRAGMA ", "TRUNCATE", "SET ", " WHERE ",
];

/// Whether a literal's placeholders, if any, are filled only with constants: `{LIKE_THIS}`.
fn holds_constants_alone(literal: &str) -> bool {
    literal.split('{').skip(1).all(|rest| {
        let name = rest.split('}').next().unwrap_or_default();
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    })
}

/// The text between the quotes at the beginning, if there are any.
fn literal(text: &str) -> Option<&str> {
    let text = text.trim_start().strip_prefix('"')?;
    let mut is_escaped = false;
    let end = text.char_indices().find(|(_, letter)| {
        let ends = *letter == '"' && !is_escaped;
        is_escaped = *letter == '\\' && !is_escaped;
        ends
    })?;
    Some(&text[..end.0])
}

/// Whether the SQL argument is constant.
fn is_fixed(argument: &str) -> bool {
    let argument = argument.trim_start().trim_start_matches('&');
    if let Some(argument) = argument.strip_prefix("format!(") {
        return literal(argument).is_some_and(holds_constants_alone);
    }
    let name: String = argument.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    let is_constant = !name.is_empty() && !name.contains(|letter: char| letter.is_lowercase());
    // `$sql:literal` of a macro is constant text, too.
    literal(argument).is_some() || is_constant || argument.starts_with("$sql")
}

/// Every place that builds SQL from non-constant text.
fn formatted(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let line = |at: usize| source[..at].matches('\n').count() + 1;
    for taker in TAKERS {
        for (at, _) in source.match_indices(taker) {
            let before = &source[..at];
            let is_name_of_its_own = !before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
            let is_taker = match taker {
                // This form is `sql::<BigInt>(…)`.
                ">(" => before.rsplit(['\n', ' ', '(']).next().is_some_and(|name| name.starts_with("sql::<")),
                "sql(" => is_name_of_its_own && !before.ends_with('.'),
                _ => is_name_of_its_own,
            };
            if is_taker && !is_fixed(&source[at + taker.len()..]) {
                found.push(format!("line {}: {taker}", line(at)));
            }
        }
    }
    for (at, call) in source.match_indices("format!(").chain(source.match_indices("concat!(")) {
        let made = literal(&source[at + call.len()..]).unwrap_or_default();
        let is_sql = STATEMENTS.iter().any(|word| made.contains(word));
        if is_sql && !holds_constants_alone(made) {
            found.push(format!("line {}: {made:?}", line(at)));
        }
    }
    for like in [" LIKE ", " ILIKE ", ".like(", ".ilike("] {
        for (at, _) in source.match_indices(like) {
            found.push(format!("line {}: LIKE takes % and _ for more than they are", line(at)));
        }
    }
    found
}

#[test]
fn in_4_sql_is_formatted_only_from_our_own_text() {
    let sources = shipped_texts();
    assert!(sources.iter().any(|(_, text)| text.contains("sql_query(")), "statements are found");
    let found: Vec<String> = sources
        .iter()
        .map(|(path, text)| {
            (path, if path == MIGRATIONS { text.replace("batch_execute(&self.sql)", "") } else { text.clone() })
        })
        .flat_map(|(path, text)| formatted(&text).into_iter().map(move |place| format!("src/{path} {place}")))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_statement_parser_recognizes_every_form() {
    for good in [
        r#"diesel::sql_query("SELECT 1 WHERE x = ?").bind::<Text, _>(x)"#,
        "diesel::sql_query(\n    \"SELECT \\\"x\\\" FROM t WHERE x = $1\",\n)",
        r#"conn.batch_execute(&format!("PRAGMA busy_timeout = {BUSY_MS}"))"#,
        "max(sql::<Nullable<BigInt>>(READ_AT))",
        "out.push_sql($sql);",
        "me.into_sql::<BigInt>()",
        r#"format!("the {name} is out of bounds")"#,
        "let found: Vec<Line> = query.load(conn)?; into_iter::<i64>(x)",
    ] {
        assert_eq!(formatted(good), [""; 0], "{good}");
    }
    for bad in [
        r#"diesel::sql_query(format!("SELECT {name}"))"#,
        "diesel::sql_query(text)",
        r#"conn.batch_execute(&format!("PRAGMA x = {}", value))"#,
        "conn.batch_execute(&text)",
        "sql::<BigInt>(&expression)",
        r#"let text = format!("SELECT x FROM t WHERE y = '{y}'");"#,
        "out.push_sql(&self.text);",
        r#"sql_query("SELECT x FROM t WHERE name LIKE ?")"#,
        "dsl::sql(&text)",
    ] {
        assert!(!formatted(bad).is_empty(), "{bad}");
    }
}
