//! What the database is asked, and how it goes about answering: for tests.

use crate::store::scratch::execute;
use crate::store::{Db, on};
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::*;
use diesel::sql_types::Text;
use std::sync::{Arc, Mutex};

/// A statement, its values left out.
pub(crate) type Statement = String;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// What `work` asks the database, in order.
pub(crate) fn record<T>(db: &mut Db, work: impl FnOnce(&mut Db) -> T) -> (T, Vec<Statement>) {
    let statements: Arc<Mutex<Vec<Statement>>> = Arc::default();
    let heard = Arc::clone(&statements);
    let listen = move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            heard.lock().unwrap().push(text.split(" -- binds:").next().unwrap().to_owned());
        }
    };
    on!(&mut *db, conn => conn.set_instrumentation(listen));
    let outcome = work(db);
    on!(&mut *db, conn => conn.set_instrumentation(None::<Box<dyn Instrumentation>>));
    let statements = std::mem::take(&mut *statements.lock().unwrap());
    (outcome, statements)
}

/// Has the database count its rows, as it does by itself from time to time.
pub(crate) fn analyze(db: &mut Db) {
    execute(db, "ANALYZE").unwrap();
}

/// The plan for a statement, whatever its values are, one line each step.
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

/// Whether a plan reads some table, or an index of it, from end to end.
pub(crate) fn scans(db: &mut Db, plan: &[String]) -> bool {
    plan.iter().enumerate().any(|(at, line)| match db {
        // A list of ids that a statement binds is read from end to end, and so are the rows
        // that another step of the plan finds.
        Db::Sqlite(_) => line
            .strip_prefix("SCAN ")
            .is_some_and(|name| !name.starts_with("json_each ") && !plan.contains(&format!("CO-ROUTINE {name}"))),
        Db::Postgres(conn) => match index_of(line) {
            // A condition on its later columns alone walks all of an index.
            Some(index) => {
                let first = first_column(conn, index);
                !plan.get(at + 1).is_some_and(|next| next.starts_with("Index Cond:") && next.contains(&first))
            }
            // It has one row.
            None => line.contains("Seq Scan") && !line.contains(" on receipt_times "),
        },
    })
}

/// The index that a step of Postgres walks.
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
