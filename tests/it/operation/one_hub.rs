//! Each database has one hub: a second one refuses to start and names the first, and a hub ends
//! when another takes its lock.

use crate::support::binary::{Binary, Sandbox, wait_for};
use crate::support::hub_process::Person;
use crate::support::temp_database::Scratch;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer};

/// A hub on the database, with a data directory of its own.
fn sandbox(database: &Scratch) -> Sandbox {
    Sandbox::new().with("DATABASE_URL", &database.url)
}

async fn refuses_to_start_beside(first: &Binary, second: &Sandbox) {
    let ended = second.run(&[]).await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    for fragment in ["another hub uses this database", &format!("pid {} ", first.id()), "stop it first"] {
        assert!(ended.stderr.contains(fragment), "no {fragment:?} in {}", ended.stderr);
    }
}

async fn a_second_hub_refuses_to_start(database: Scratch) {
    let places = [sandbox(&database), sandbox(&database)];
    let mut first = places[0].start(&[]);
    let address = first.address().await;
    let ann = Person::register(&address, "ann").await;
    refuses_to_start_beside(&first, &places[1]).await;
    refuses_to_start_beside(&first, &places[0]).await;
    assert!(ann.connect(&address).await.is_some(), "the first one serves on");
    // Commands that need no hub need no lock.
    for command in [&["check"][..], &["user", "promote", "ann"]] {
        let ended = places[1].run(command).await;
        assert!(ended.status.success(), "{}", ended.stderr);
    }
    let refused = places[1].run(&["restored"]).await;
    assert!(!refused.status.success() && refused.stderr.contains("another hub"), "{}", refused.stderr);

    first.kill();
    let mut second = places[1].start(&[]);
    second.address().await;
    second.signal("TERM");
    assert!(second.has_ended_well().await, "{}", second.log());
    places[0].start(&[]).address().await;
}

#[tokio::test]
async fn a_second_hub_refuses_to_start_on_sqlite() {
    a_second_hub_refuses_to_start(Scratch::sqlite()).await;
}

#[tokio::test]
async fn a_second_hub_refuses_to_start_on_postgres() {
    a_second_hub_refuses_to_start(Scratch::postgres()).await;
}

#[tokio::test]
async fn another_path_to_the_same_file_is_the_same_database() {
    let database = Scratch::sqlite();
    let first_sandbox = sandbox(&database);
    let mut first = first_sandbox.start(&[]);
    first.address().await;
    let path = database.url.strip_prefix("sqlite://").unwrap();
    let second = Sandbox::new();
    std::os::unix::fs::symlink(path, second.path("link.db")).unwrap();
    refuses_to_start_beside(&first, &second.with("DATABASE_URL", "sqlite://link.db")).await;
}

#[derive(QueryableByName)]
struct LockHolder {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

#[derive(QueryableByName)]
struct Taken {
    #[diesel(sql_type = Bool)]
    taken: bool,
}

fn holder(conn: &mut PgConnection) -> Option<i32> {
    let query = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    diesel::sql_query(query).get_result::<LockHolder>(conn).optional().unwrap().map(|holder| holder.pid)
}

#[tokio::test]
async fn a_lost_lock_is_retaken_or_ends_the_hub_if_another_holds_it() {
    let database = Scratch::postgres();
    let sandbox = sandbox(&database);
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let mut conn = PgConnection::establish(&database.url).unwrap();
    let first = holder(&mut conn).expect("the hub holds the lock");
    let end_of = |pid: i32| format!("SELECT pg_terminate_backend({pid}, 10000)");
    conn.batch_execute(&end_of(first)).unwrap();
    let again = wait_for("the hub to take the lock again", async || holder(&mut conn)).await;
    assert_ne!(again, first);
    Person::register(&address, "ann").await;

    // The hub may win the race more than once.
    conn.batch_execute("SET application_name = 'the other hub'").unwrap();
    wait_for("another to take the lock", async || {
        if let Some(pid) = holder(&mut conn) {
            conn.batch_execute(&end_of(pid)).unwrap();
        }
        let taking = diesel::sql_query("SELECT pg_try_advisory_lock(1752523297) AS taken");
        taking.get_result::<Taken>(&mut conn).unwrap().taken.then_some(())
    })
    .await;
    let ended = hub.ended().await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("another hub uses this database: the other hub"), "{}", ended.stderr);
}
