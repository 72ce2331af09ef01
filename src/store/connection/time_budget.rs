//! The time budget of an operation on the thread that runs it.
//!
//! Postgres ends a statement that takes too long by itself. SQLite does not. So its statements that
//! may read any number of rows call `within_time` for each row. Operations that run many statements
//! call [`check`] between them.

use crate::error::{Error, Result};
use diesel::declare_sql_function;
use diesel::prelude::*;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::Sqlite;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// The text of the error that ends the work.
pub(crate) const SPENT: &str = "the time for this operation is spent";
/// The number of rows between two checks of the clock.
const ROWS_PER_CHECK: u32 = 64;

thread_local! {
    static ENDS_AT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Restores the earlier deadline, also after a panic.
struct Restore(Option<Instant>);

impl Drop for Restore {
    fn drop(&mut self) {
        ENDS_AT.set(self.0);
    }
}

/// Runs the work. The work fails with `DatabaseBusy` soon after its time is spent.
pub(crate) fn within<T>(budget: Duration, work: impl FnOnce() -> T) -> T {
    let _restore = Restore(ENDS_AT.replace(Some(Instant::now() + budget)));
    work()
}

/// Checks the time between statements.
///
/// # Errors
/// `DatabaseBusy` when the time is spent.
pub fn check() -> Result<()> {
    if is_spent() { Err(Error::DatabaseBusy(SPENT.into())) } else { Ok(()) }
}

fn is_spent() -> bool {
    ENDS_AT.get().is_some_and(|end| Instant::now() >= end)
}

#[declare_sql_function]
extern "SQL" {
    /// SQLite: true for any row, and an error once the time is spent. The argument is a column of
    /// the table that may be long, so that SQLite calls this for each row of that table.
    fn within_time(row: BigInt) -> Bool;
}

/// Registers the function on a connection.
pub(crate) fn register(conn: &mut SqliteConnection) -> QueryResult<()> {
    let mut rows = 0_u32;
    within_time_utils::register_nondeterministic_impl(conn, move |_: i64| {
        rows = rows.wrapping_add(1);
        Answer { is_spent: rows.is_multiple_of(ROWS_PER_CHECK) && is_spent() }
    })
}

#[derive(Debug)]
struct Answer {
    is_spent: bool,
}

impl ToSql<Bool, Sqlite> for Answer {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        if self.is_spent {
            return Err(SPENT.into());
        }
        out.set_value(1);
        Ok(IsNull::No)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scratch::{Scratch, execute};

    const ENDLESS: &str = "WITH RECURSIVE g (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM g WHERE within_time(n))
                           SELECT count(*) FROM g";

    #[test]
    fn a_sqlite_statement_stops_when_its_time_is_spent() {
        let scratch = Scratch::sqlite();
        let mut db = scratch.open();
        let failed = within(Duration::from_millis(5), || execute(&mut db, ENDLESS)).expect_err("it has no end");
        assert!(matches!(Error::from(failed), Error::DatabaseBusy(_)));
        execute(&mut db, "SELECT within_time(1)").expect("the connection works, and no time is counted here");
    }

    #[test]
    fn an_unread_count_stops_when_its_time_is_spent() {
        let scratch = Scratch::sqlite();
        let mut db = scratch.open();
        crate::store::prepare(&mut db, crate::ids::Timestamp::from_millis(0)).unwrap();
        execute(
            &mut db,
            "INSERT INTO users (id, username, username_key, display_name, created_at) VALUES
                 (1, 'ann', 'ann', 'Ann', 0), (2, 'bob', 'bob', 'Bob', 0);
             INSERT INTO conversations (id, kind, user_low, user_high, created_by, created_at, active_at, last_seq, rev)
                 VALUES (1, 'direct', 1, 2, 1, 0, 0, 500, 501);
             INSERT INTO participants (conversation_id, user_id, role, joined_at, rev) VALUES
                 (1, 1, 'member', 0, 1), (1, 2, 'member', 0, 1);
             WITH RECURSIVE g (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM g WHERE n < 500)
             INSERT INTO messages (conversation_id, seq, rev, sender_id, content, created_at)
                 SELECT 1, n, n + 1, 1, 'x', 0 FROM g;",
        )
        .unwrap();
        let mut count = |budget| {
            let bob = crate::ids::UserId::new(2);
            within(budget, || crate::store::messaging::unread::list_unread(&mut db, bob, None))
        };
        assert_eq!(count(Duration::from_secs(60)).unwrap()[0].count, 500);
        assert!(matches!(count(Duration::ZERO), Err(Error::DatabaseBusy(_))));
    }

    #[test]
    fn a_time_budget_ends_with_its_work() {
        within(Duration::ZERO, || assert!(check().is_err()));
        assert!(check().is_ok());
        let _ = std::panic::catch_unwind(|| within(Duration::ZERO, || panic!("as this test wants it")));
        assert!(check().is_ok());
    }
}
