//! The migrations make one schema in both databases, and `schema.rs` describes it.
//!
//! The tests read the catalogues of both databases and compare the answers as facts: tables,
//! columns, keys, indexes and references. The search index differs between the databases and is
//! left out.

use super::Db;
use super::prepare;
use super::scratch::{Scratch, both_databases, execute};
use crate::ids::Timestamp;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::thread;

const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    is_nullable: bool,
    /// The value as text, without a cast.
    #[diesel(sql_type = Nullable<Text>)]
    default_value: Option<String>,
    /// The database assigns the number, and never assigns the same number again.
    #[diesel(sql_type = Bool)]
    is_identity: bool,
}

/// One column of an index. The columns of one index come in its order.
#[derive(QueryableByName)]
struct IndexedColumn {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    index_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Bool)]
    is_unique: bool,
    #[diesel(sql_type = Bool)]
    is_primary: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
struct Reference {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    to_table: String,
    #[diesel(sql_type = Text)]
    to_column: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Index {
    table_name: String,
    column_names: Vec<String>,
    is_unique: bool,
    is_primary: bool,
}

/// The facts that are compared.
#[derive(Debug, PartialEq)]
struct Facts {
    columns: BTreeSet<Column>,
    indexes: BTreeSet<Index>,
    references: BTreeSet<Reference>,
}

const SQLITE_COLUMNS: &str = r#"
    SELECT t.name AS table_name, c.name AS column_name, c."notnull" = 0 AS is_nullable,
           CASE c.type WHEN 'INTEGER' THEN 'BigInt' WHEN 'BIGINT' THEN 'BigInt' WHEN 'TEXT' THEN 'Text'
                       WHEN 'BLOB' THEN 'Binary' WHEN 'BOOLEAN' THEN 'Bool' ELSE c.type END AS kind,
           lower(c.dflt_value) AS default_value, c.pk > 0 AND t.sql LIKE '%AUTOINCREMENT%' AS is_identity
    FROM sqlite_master t, pragma_table_info(t.name) c
    WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> '__diesel_schema_migrations'
          AND t.name NOT LIKE 'message_terms%'"#;

const POSTGRES_COLUMNS: &str = r#"
    SELECT table_name::text, column_name::text, is_nullable = 'YES' AS is_nullable,
           CASE data_type WHEN 'bigint' THEN 'BigInt' WHEN 'text' THEN 'Text' WHEN 'bytea' THEN 'Binary'
                          WHEN 'boolean' THEN 'Bool' ELSE data_type END::text AS kind,
           lower(split_part(column_default, '::', 1)) AS default_value, identity_generation = 'ALWAYS' IS TRUE AS is_identity
    FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name NOT IN ('__diesel_schema_migrations', 'message_terms')"#;

/// A primary key of one INTEGER column has no index in SQLite. So keys come from the columns, and
/// everything else comes from the list of indexes.
const SQLITE_INDEXES: &str = r#"
    SELECT * FROM (
        SELECT t.name AS table_name, 'primary key of ' || t.name AS index_name, c.name AS column_name,
               TRUE AS is_unique, TRUE AS is_primary, c.pk AS position
        FROM sqlite_master t, pragma_table_info(t.name) c
        WHERE t.type = 'table' AND c.pk > 0
        UNION ALL
        SELECT t.name, l.name, i.name, l."unique", FALSE, i.seqno
        FROM sqlite_master t, pragma_index_list(t.name) l, pragma_index_info(l.name) i
        WHERE t.type = 'table' AND l.origin <> 'pk')
    WHERE table_name NOT LIKE 'sqlite_%' AND table_name <> '__diesel_schema_migrations'
          AND table_name NOT LIKE 'message_terms%'
    ORDER BY index_name, position"#;

const POSTGRES_INDEXES: &str = r#"
    SELECT t.relname::text AS table_name, i.relname::text AS index_name, a.attname::text AS column_name,
           x.indisunique AS is_unique, x.indisprimary AS is_primary
    FROM pg_index x
    JOIN pg_class t ON t.oid = x.indrelid
    JOIN pg_class i ON i.oid = x.indexrelid
    CROSS JOIN LATERAL unnest(x.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum
    WHERE t.relnamespace = 'public'::regnamespace
          AND t.relname NOT IN ('__diesel_schema_migrations', 'message_terms')
    ORDER BY i.relname, k.position"#;

const SQLITE_REFERENCES: &str = r#"
    SELECT t.name AS table_name, f."from" AS column_name, f."table" AS to_table, f."to" AS to_column
    FROM sqlite_master t, pragma_foreign_key_list(t.name) f
    WHERE t.type = 'table'"#;

const POSTGRES_REFERENCES: &str = r#"
    SELECT t.relname::text AS table_name, a.attname::text AS column_name,
           r.relname::text AS to_table, b.attname::text AS to_column
    FROM pg_constraint c
    JOIN pg_class t ON t.oid = c.conrelid
    JOIN pg_class r ON r.oid = c.confrelid
    CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k (attnum, to_attnum)
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum
    JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = k.to_attnum
    WHERE c.contype = 'f' AND t.relnamespace = 'public'::regnamespace AND t.relname <> 'message_terms'"#;

/// Runs the same query in the dialect of the given database.
macro_rules! ask {
    ($db:expr, $sqlite:expr, $postgres:expr) => {
        match $db {
            Db::Sqlite(conn) => diesel::sql_query($sqlite).load(conn).unwrap(),
            Db::Postgres(conn) => diesel::sql_query($postgres).load(conn).unwrap(),
        }
    };
}

impl Facts {
    fn of(db: &mut Db) -> Self {
        let columns: Vec<Column> = ask!(db, SQLITE_COLUMNS, POSTGRES_COLUMNS);
        let indexed: Vec<IndexedColumn> = ask!(db, SQLITE_INDEXES, POSTGRES_INDEXES);
        let references: Vec<Reference> = ask!(db, SQLITE_REFERENCES, POSTGRES_REFERENCES);
        let mut indexes: BTreeMap<String, Index> = BTreeMap::new();
        for IndexedColumn { table_name, index_name, column_name, is_unique, is_primary } in indexed {
            let empty = Index { table_name, column_names: Vec::new(), is_unique, is_primary };
            indexes.entry(index_name).or_insert(empty).column_names.push(column_name);
        }
        Self {
            columns: columns.into_iter().collect(),
            indexes: indexes.into_values().collect(),
            references: references.into_iter().collect(),
        }
    }

    fn of_new(scratch: &Scratch) -> Self {
        let mut db = scratch.open();
        prepare(&mut db, NOW).unwrap();
        Self::of(&mut db)
    }

    fn primary_key(&self, table: &str) -> Vec<String> {
        let mut keys = self.indexes.iter().filter(|index| index.table_name == table && index.is_primary);
        keys.next().map(|key| key.column_names.clone()).unwrap_or_default()
    }
}

#[test]
fn the_migrations_make_the_same_schema_in_both_databases() {
    let (sqlite, postgres) = (Facts::of_new(&Scratch::sqlite()), Facts::of_new(&Scratch::postgres()));
    assert!(sqlite.columns.len() > 60 && sqlite.indexes.len() > 15 && sqlite.references.len() > 10, "{sqlite:#?}");
    let only =
        |one: &BTreeSet<Column>, other: &BTreeSet<Column>| -> Vec<Column> { one.difference(other).cloned().collect() };
    assert_eq!(only(&sqlite.columns, &postgres.columns), only(&postgres.columns, &sqlite.columns));
    assert_eq!(sqlite.indexes, postgres.indexes);
    assert_eq!(sqlite.references, postgres.references);
}

/// A table of `schema.rs`: its primary key, and the name, type and nullability of its columns.
type Described = (Vec<String>, BTreeMap<String, (String, bool)>);

/// The description in `schema.rs`, read from its text.
fn described() -> BTreeMap<String, Described> {
    let blocks = include_str!("schema.rs").split("diesel::table! {").skip(1);
    let words = |text: &str| -> Vec<String> { text.split(',').map(|word| word.trim().to_owned()).collect() };
    blocks
        .map(|block| {
            let (name, rest) = block.split_once('(').unwrap();
            let (key, rest) = rest.split_once(") {").unwrap();
            let (columns, _) = rest.split_once('}').unwrap();
            let columns = columns.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" -> "));
            let columns = columns.map(|(column, kind)| {
                let inner = kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>'));
                (column.to_owned(), (inner.unwrap_or(kind).to_owned(), inner.is_some()))
            });
            (name.trim().to_owned(), (words(key), columns.collect()))
        })
        .collect()
}

fn schema_rs_describes_every_table_and_column(scratch: Scratch) {
    let facts = Facts::of_new(&scratch);
    let mut found: BTreeMap<String, Described> = BTreeMap::new();
    for Column { table_name, column_name, kind, is_nullable, .. } in facts.columns.iter().cloned() {
        let key = facts.primary_key(&table_name);
        let table = found.entry(table_name).or_insert((key, BTreeMap::new()));
        table.1.insert(column_name, (kind, is_nullable));
    }
    assert_eq!(described(), found);
}
both_databases!(schema_rs_describes_every_table_and_column);

fn every_column_can_be_selected(scratch: Scratch) {
    let mut db = scratch.open();
    prepare(&mut db, NOW).unwrap();
    for (table, (_, columns)) in described() {
        let columns: Vec<String> = columns.into_keys().collect();
        execute(&mut db, &format!("SELECT {} FROM {table}", columns.join(", "))).unwrap();
    }
}
both_databases!(every_column_can_be_selected);

fn every_reference_names_a_unique_key(scratch: Scratch) {
    let facts = Facts::of_new(&scratch);
    for reference in &facts.references {
        let is_key = facts.indexes.iter().any(|index| {
            let Index { table_name, column_names, is_unique, .. } = index;
            *is_unique && *table_name == reference.to_table && *column_names == [reference.to_column.clone()]
        });
        assert!(is_key, "{reference:?}");
    }
}
both_databases!(every_reference_names_a_unique_key);

fn preparing_a_database_again_changes_nothing(scratch: Scratch) {
    let mut db = scratch.open();
    let epoch = prepare(&mut db, NOW).unwrap();
    let facts = Facts::of(&mut db);
    assert_eq!(prepare(&mut db, NOW).unwrap(), epoch);
    assert_eq!(prepare(&mut scratch.open(), Timestamp::from_millis(0)).unwrap(), epoch, "by another process");
    assert_eq!(Facts::of(&mut db), facts);
}
both_databases!(preparing_a_database_again_changes_nothing);

/// Nodes share a Postgres database. A `check` may run beside a hub on a SQLite file.
fn processes_starting_together_agree_on_one_epoch(scratch: Scratch) {
    let epochs: BTreeSet<String> = thread::scope(|scope| {
        let start = || prepare(&mut scratch.open(), NOW);
        let nodes: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        nodes.into_iter().map(|node| node.join().unwrap().unwrap()).collect()
    });
    assert_eq!(epochs.len(), 1, "{epochs:?}");
}
both_databases!(processes_starting_together_agree_on_one_epoch);
