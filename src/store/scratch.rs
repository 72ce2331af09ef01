//! A separate database of either kind for each unit test, deleted when the test ends.

use super::{Db, Target, on};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// An empty database. The test closes its connections before it drops this.
pub(crate) struct Scratch {
    pub target: Target,
    /// Postgres: the server, and the name of the database in it.
    postgres: Option<(String, String)>,
    _dir: Option<TempDir>,
}

impl Scratch {
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { target: Target::Sqlite(dir.path().join("scratch.db")), postgres: None, _dir: Some(dir) }
    }

    /// A database in the server that `scripts/test` and `scripts/with-servers` start.
    pub fn postgres() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
            panic!("TEST_POSTGRES_URL is not set: run scripts/test, or scripts/with-servers cargo test");
        };
        let name = format!("unit_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        PgConnection::establish(&server).unwrap().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        let (before, _) = server.rsplit_once('/').unwrap();
        Self { target: Target::Postgres(format!("{before}/{name}")), postgres: Some((server, name)), _dir: None }
    }

    pub fn open(&self) -> Db {
        self.target.open().unwrap()
    }

    /// Adds a table `marks` of numbers, for tests that need no real table.
    pub fn with_marks(self) -> Self {
        execute(&mut self.open(), "CREATE TABLE marks (n BIGINT PRIMARY KEY)").unwrap();
        self
    }

    /// The committed marks, as a new connection sees them.
    pub fn marks(&self) -> Vec<i64> {
        list_marks(&mut self.open())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.postgres {
            let dropping = format!("DROP DATABASE {name} WITH (FORCE)");
            PgConnection::establish(server).unwrap().batch_execute(&dropping).unwrap();
        }
    }
}

pub(crate) fn execute(db: &mut Db, sql: &str) -> QueryResult<()> {
    on!(db, conn => conn.batch_execute(sql))
}

pub(crate) fn mark(db: &mut Db, n: i64) -> QueryResult<()> {
    execute(db, &format!("INSERT INTO marks VALUES ({n})"))
}

pub(crate) fn list_marks(db: &mut Db) -> Vec<i64> {
    #[derive(QueryableByName)]
    struct Mark {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let query = diesel::sql_query("SELECT n FROM marks ORDER BY n");
    let marks: Vec<Mark> = on!(db, conn => query.load(conn)).unwrap();
    marks.into_iter().map(|mark| mark.n).collect()
}

/// Makes two tests of the following function, one for each database.
macro_rules! both_databases {
    ($test:ident) => {
        mod $test {
            use crate::store::scratch::Scratch;

            #[test]
            fn sqlite() {
                super::$test(Scratch::sqlite());
            }

            #[test]
            fn postgres() {
                super::$test(Scratch::postgres());
            }
        }
    };
}
pub(crate) use both_databases;
