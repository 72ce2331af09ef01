//! A database that another version made: it is refused with one sentence, and stays as it is.

use super::startup::assert_refused;
use crate::harness::database::{Database, Kind};
use crate::support::binary::Sandbox;

const SQLITE_0_1_0: &str = include_str!("version_0_1_0/sqlite.sql");
const POSTGRES_0_1_0: &str = include_str!("version_0_1_0/postgres.sql");

/// Expects that the hub and every command that opens the database refuse it with these words.
async fn assert_untouched(database: &Database, fragments: &[&str]) {
    let before = database.rows();
    assert!(before.iter().any(|row| row.contains("hello")), "the database has a message");
    let sandbox = Sandbox::new().with("DATABASE_URL", database.url());
    assert_refused(&sandbox, fragments).await;
    for command in [&["restored"][..], &["user", "promote", "ann"]] {
        let ended = sandbox.run(command).await;
        assert!(fragments.iter().all(|fragment| ended.stderr.contains(fragment)), "{command:?}: {}", ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{command:?}");
    }
    assert_eq!(database.rows(), before);
}

#[tokio::test]
async fn a_database_of_version_0_1_0_is_refused_and_unchanged() {
    for (kind, dump) in [(Kind::Sqlite, SQLITE_0_1_0), (Kind::Postgres, POSTGRES_0_1_0)] {
        let database = Database::create(kind);
        database.execute(dump);
        assert_untouched(&database, &["DATABASE_URL", "version 0.1.0", env!("CARGO_PKG_VERSION"), "empty"]).await;
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_unchanged() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let database = Database::create(kind);
        let sandbox = Sandbox::new().with("DATABASE_URL", database.url());
        let mut hub = sandbox.start(&[]);
        hub.address().await;
        hub.signal("TERM");
        assert!(hub.has_ended_well().await);
        database.execute(
            "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000');
             INSERT INTO users (username, username_key, display_name, created_at) VALUES ('ann', 'ann', 'hello', 0);",
        );
        assert_untouched(&database, &["DATABASE_URL", "newer", "20991231000000", "backup"]).await;
    }
}
