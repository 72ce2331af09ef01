//! A database of its own for each test, removed when the test ends, with direct access that
//! bypasses the hub.

use super::DEADLINE;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use switchboard::store::Target;
use tempfile::TempDir;
use url::Url;

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Sqlite,
    Postgres,
}

pub struct Database {
    /// The hub's data directory; SQLite's file is in it.
    dir: TempDir,
    postgres: Option<Postgres>,
}

struct Postgres {
    server: Url,
    name: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

impl Database {
    pub fn create(kind: Kind) -> Self {
        let postgres = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => Some(Postgres::create()),
        };
        Self { dir: tempfile::tempdir().unwrap(), postgres }
    }

    pub fn data_dir(&self) -> String {
        self.dir.path().to_str().unwrap().to_owned()
    }

    pub fn url(&self) -> String {
        match &self.postgres {
            None => format!("sqlite://{}/switchboard.db", self.data_dir()),
            Some(postgres) => postgres.url(),
        }
    }

    /// The row count of a table, as the database reports it.
    pub fn count(&self, table: &str) -> i64 {
        let query = diesel::sql_query(format!("SELECT count(*) AS n FROM {table}"));
        let count: Count = match &self.postgres {
            None => query.get_result(&mut self.sqlite()),
            Some(postgres) => query.get_result(&mut connect(&postgres.url())),
        }
        .unwrap();
        count.n
    }

    /// The lines of a query whose only column is named `line`.
    pub fn texts(&self, query: &str) -> Vec<String> {
        let query = diesel::sql_query(query.to_owned());
        let lines: Vec<Line> = match &self.postgres {
            None => query.load(&mut self.sqlite()),
            Some(_) => query.load(&mut self.postgres()),
        }
        .unwrap();
        lines.into_iter().map(|Line { line }| line).collect()
    }

    /// Every row of every table, as text. Leaves out the word index, which the hub updates in the
    /// background, the row of the write probe, and the transaction count.
    pub fn rows(&self) -> Vec<String> {
        let tables = match &self.postgres {
            None => "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'",
            Some(_) => "SELECT tablename::text AS line FROM pg_tables WHERE schemaname = 'public'",
        };
        let tables = self.texts(tables).into_iter();
        let tables = tables.filter(|table| !table.starts_with("message_terms"));
        let own = ["search_progress", "write_checks", "hub_runs"];
        let tables = tables.filter(|table| !own.contains(&table.as_str()));
        tables.flat_map(|table| self.rows_of(&table)).collect()
    }

    fn rows_of(&self, table: &str) -> Vec<String> {
        let row = match &self.postgres {
            None => {
                let columns = self.texts(&format!("SELECT name AS line FROM pragma_table_info('{table}')"));
                columns.iter().map(|column| format!("quote(\"{column}\")")).collect::<Vec<_>>().join(" || ',' || ")
            }
            Some(_) => format!("{table}::text"),
        };
        self.texts(&format!("SELECT '{table}: ' || {row} AS line FROM {table} ORDER BY 1"))
    }

    /// Opens the database as the hub's own store does.
    pub fn target(&self) -> Target {
        match &self.postgres {
            None => Target::Sqlite(self.dir.path().join("switchboard.db")),
            Some(postgres) => Target::Postgres(postgres.url()),
        }
    }

    /// Runs statements directly on the database, without the hub.
    pub fn execute(&self, sql: &str) {
        match &self.postgres {
            None => self.sqlite().batch_execute(sql),
            Some(_) => self.postgres().batch_execute(sql),
        }
        .unwrap();
    }

    /// Ends every connection to the database and refuses new ones.
    pub fn go_away(&self) {
        self.postgres.as_ref().expect("only Postgres can become unreachable").admit(false);
    }

    pub fn come_back(&self) {
        self.postgres.as_ref().expect("only a server comes back").admit(true);
    }

    /// A direct connection that bypasses the hub.
    pub fn postgres(&self) -> PgConnection {
        connect(&self.url())
    }

    /// Whether the database contains these bytes anywhere, as text or not.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        match &self.postgres {
            None => std::fs::read_dir(self.dir.path()).unwrap().any(|file| {
                let content = std::fs::read(file.unwrap().path()).unwrap();
                content.windows(bytes.len()).any(|window| window == bytes)
            }),
            Some(postgres) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                let text = String::from_utf8_lossy(bytes);
                postgres.dump().iter().any(|line| line.contains(&hex) || line.contains(&*text))
            }
        }
    }

    fn sqlite(&self) -> SqliteConnection {
        let mut conn = SqliteConnection::establish(&format!("{}/switchboard.db", self.data_dir())).unwrap();
        conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        conn
    }
}

impl Postgres {
    fn create() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
            panic!("TEST_POSTGRES_URL is not set: run scripts/test, or scripts/with-servers cargo test");
        };
        let server = Url::parse(&server).unwrap();
        let name = format!("it_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        diesel::sql_query(format!("CREATE DATABASE {name}")).execute(&mut connect(server.as_str())).unwrap();
        Self { server, name }
    }

    fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        // The hub's own timeout of two seconds is too short where the machine stalls.
        url.query_pairs_mut().append_pair("connect_timeout", &DEADLINE.as_secs().to_string());
        url.into()
    }

    fn admit(&self, anybody: bool) {
        let mut conn = connect(self.server.as_str());
        conn.batch_execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS {anybody}", self.name)).unwrap();
        let open = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1";
        diesel::sql_query(open).bind::<Text, _>(&self.name).execute(&mut conn).unwrap();
    }

    /// A hub that has ended closes its connections a moment later.
    fn wait_until_left(&self, conn: &mut PgConnection) {
        let began = Instant::now();
        let connected = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = $1";
        while diesel::sql_query(connected).bind::<Text, _>(&self.name).get_result::<Count>(conn).unwrap().n > 0 {
            assert!(began.elapsed() < DEADLINE, "the hub left connections to its database behind");
        }
    }

    /// Every row of every table, as text.
    fn dump(&self) -> Vec<String> {
        let mut conn = connect(&self.url());
        let tables: Vec<Line> =
            diesel::sql_query("SELECT tablename::text AS line FROM pg_tables WHERE schemaname = 'public'")
                .load(&mut conn)
                .unwrap();
        let rows = tables.iter().flat_map(|Line { line: table }| {
            diesel::sql_query(format!("SELECT row::text AS line FROM {table} AS row")).load::<Line>(&mut conn).unwrap()
        });
        rows.map(|row| row.line).collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut conn = connect(self.server.as_str());
        if !std::thread::panicking() {
            self.wait_until_left(&mut conn);
        }
        let dropping = diesel::sql_query(format!("DROP DATABASE {} WITH (FORCE)", self.name)).execute(&mut conn);
        assert!(dropping.is_ok() || std::thread::panicking(), "{dropping:?}");
    }
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap_or_else(|error| panic!("Postgres at {url}: {error}"))
}
