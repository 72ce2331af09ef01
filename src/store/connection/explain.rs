//! Records the statements that run on the database and explains their plans, for tests.

use crate::store::scratch::execute;
use crate::store::{Db, on};
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::*;
use diesel::sql_types::Text;
use std::sync::{Arc, Mutex};

/// The text of a statement, without its values.
pub(crate) type Statement = String;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// Records the statements that `work` runs, in order.
pub(crate) fn record<T>(db: &mut Db, work: impl FnOnce(&mut Db) -> T) -> (T, Vec<Statement>) {
    let statements: Arc<Mutex<Vec<Statement>>> = Arc::default();
    let recorded = Arc::clone(&statements);
    let listen = move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            recorded.lock().unwrap().push(text.split(" -- binds:").next().unwrap().to_owned());
        }
    };
    on!(&mut *db, conn => conn.set_instrumentation(listen));
    let outcome = work(db);
    on!(&mut *db, conn => conn.set_instrumentation(None::<Box<dyn Instrumentation>>));
    let statements = std::mem::take(&mut *statements.lock().unwrap());
    (outcome, statements)
}

/// Updates the statistics of the database, as the database does by itself from time to time.
pub(crate) fn analyze(db: &mut Db) {
    execute(db, "ANALYZE").unwrap();
}

/// The plan of a statement for any values, one line for each step.
pub(crate) fn explain(db: &mut Db, statement: &str) -> Vec<String> {
    let lines: Vec<Line> = match db {
        Db::Sqlite(conn) => diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(conn).unwrap(),
        Db::Postgres(_) => {
            let values = (1..).take_while(|n| statement.contains(&format!("${n}"))).map(|_| "NULL");
            let values = values.collect::<Vec<_>>().join(", ");
            let values = if values.is_empty() { values } else { format!("({values})") };
            execute(
                db,
                &format!(
                    "CREATE OR REPLACE FUNCTION plan() RETURNS SETOF text LANGUAGE plpgsql
                     AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN EXECUTE explained{values}'; END $$;
                     SET plan_cache_mode = force_generic_plan; PREPARE explained AS {statement}"
                ),
            )
            .unwrap();
            let Db::Postgres(conn) = db else { unreachable!("it is Postgres") };
            let lines = diesel::sql_query("SELECT plan AS detail FROM plan()").load(conn).unwrap();
            execute(db, "DEALLOCATE explained").unwrap();
            lines
        }
    };
    lines.into_iter().map(|line| line.detail.trim().to_owned()).collect()
}

/// Whether a plan reads a whole table, or a whole index of a table.
pub(crate) fn scans(db: &mut Db, plan: &[String]) -> bool {
    plan.iter().enumerate().any(|(at, line)| match db {
        // SQLite reads all of a bound list of ids, and all rows that another step of the plan
        // finds.
        Db::Sqlite(_) => line
            .strip_prefix("SCAN ")
            .is_some_and(|name| !name.starts_with("json_each ") && !plan.contains(&format!("CO-ROUTINE {name}"))),
        Db::Postgres(conn) => match index_of(line) {
            // A condition on the later columns alone walks the whole index.
            Some(index) => {
                let first = first_column(conn, index);
                !plan.get(at + 1).is_some_and(|next| next.starts_with("Index Cond:") && next.contains(&first))
            }
            // `receipt_times` has one row.
            None => line.contains("Seq Scan") && !line.contains(" on receipt_times "),
        },
    })
}

/// The index that a step of a Postgres plan walks.
fn index_of(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("Scan using ").or_else(|| line.split_once("Bitmap Index Scan on "))?;
    rest.split(' ').next()
}

fn first_column(conn: &mut PgConnection, index: &str) -> String {
    let query = diesel::sql_query(format!(
        "SELECT attname::text AS detail FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
         WHERE indexrelid = '{index}'::regclass"
    ));
    query.get_result::<Line>(conn).unwrap().detail
}
