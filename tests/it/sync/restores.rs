//! A restored backup has a new epoch, and the hub notices the restore by itself. A client that was
//! ahead of it loads everything again, and ends with the stored state.

use crate::harness::{Client, Group, Model, User, assert_same, register, truth};
use crate::load::random_plan::port_of;
use crate::support::binary::{Binary, Sandbox};
use crate::support::temp_database::Scratch;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use serde_json::json;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tempfile::TempDir;

/// A hub, its sandbox, and its address.
struct World {
    // Dropped first, so that the database has no connections any more.
    hub: Binary,
    sandbox: Sandbox,
    database: Scratch,
    port: Arc<AtomicU16>,
}

impl World {
    async fn begin(database: Scratch) -> Self {
        let sandbox = Sandbox::new().with("DATABASE_URL", &database.url).with("RUST_LOG", "warn");
        let mut hub = sandbox.start(&[]);
        let port = Arc::new(AtomicU16::new(port_of(&mut hub).await));
        Self { hub, sandbox, database, port }
    }

    async fn people<const N: usize>(&self, names: [&str; N]) -> [User; N] {
        let visitor = Client::new(Arc::clone(&self.port), None);
        let mut people = Vec::new();
        for name in names {
            people.push(register(&visitor, name).await);
        }
        people.try_into().unwrap_or_else(|_| unreachable!("as many people as names"))
    }

    async fn stop(&mut self) {
        self.hub.signal("TERM");
        assert!(self.hub.has_ended_well().await, "{}", self.hub.log());
    }

    async fn start(&mut self) {
        self.hub = self.sandbox.start(&[]);
        self.port.store(port_of(&mut self.hub).await, Ordering::SeqCst);
    }

    fn execute(&self, sql: &str) {
        match self.database.url.strip_prefix("sqlite://") {
            Some(path) => SqliteConnection::establish(path).unwrap().batch_execute(sql).unwrap(),
            None => PgConnection::establish(&self.database.url).unwrap().batch_execute(sql).unwrap(),
        }
    }

    /// The contents of the data directory.
    fn copy_data_dir(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_files(&self.sandbox.path("data"), copy.path());
        copy
    }
}

fn copy_files(from: &std::path::Path, to: &std::path::Path) {
    for file in fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

async fn sync(user: &User, model: &mut Model) -> serde_json::Value {
    let answer = user.post("/api/sync", model.ask()).await.is(200).ok();
    assert!(model.answer(&answer), "one answer is enough: {answer}");
    answer
}

async fn epoch_of(user: &User) -> String {
    user.post("/api/sync", json!({"only": true})).await.ok()["epoch"].as_str().unwrap().to_owned()
}

/// Ann wrote to a group that the backup does not have, and got no answer. Bob makes another group
/// with her: her message must not reach it.
async fn a_message_to_a_lost_conversation_reaches_no_other(database: Scratch) {
    let mut world = World::begin(database).await;
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    world.stop().await;
    let backup = world.database.back_up();
    world.start().await;
    let lost = Group::of(&cat, &[&ann]).await.id;
    let to = |id: i64| json!({"conversation_id": id, "content": "hello", "client_message_id": format!("to-{id}")});
    let lost_message = ann.post("/api/messages", to(lost)).await.is(201).ok()["message"]["id"].clone();
    world.hub.kill();
    world.database.put_back(&backup);
    world.start().await;
    let made = Group::of(&bob, &[&ann]).await.id;
    ann.post("/api/messages", to(lost)).await.refused(404, "not_found");
    let message = ann.post("/api/messages", to(made)).await.is(201).ok()["message"]["id"].clone();
    assert_ne!(message, lost_message, "nor does a deletion reach another message");
    let page = bob.get(&format!("/api/conversations/{made}/messages")).await.ok();
    assert_eq!(page["messages"].as_array().unwrap().len(), 1, "{page}");
}

#[tokio::test]
async fn messages_to_a_lost_group_reach_no_other_group_on_sqlite() {
    a_message_to_a_lost_conversation_reaches_no_other(Scratch::sqlite()).await;
}

#[tokio::test]
async fn messages_to_a_lost_group_reach_no_other_group_on_postgres() {
    a_message_to_a_lost_conversation_reaches_no_other(Scratch::postgres()).await;
}

/// The hub's files that are restored with the database.
#[derive(Clone, Copy, Debug, PartialEq)]
enum PutBack {
    Database,
    DataDirectoryToo,
}

async fn a_restored_backup_is_another_epoch(database: Scratch, what: PutBack) {
    let mut world = World::begin(database).await;
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let mut model = Model::default();
    for number in 1..=3 {
        bob.send_rest(&ann, &format!("before {number}")).await;
    }
    ann.adds_contact(&cat).await;
    world.stop().await;
    let (backup, files) = (world.database.back_up(), world.copy_data_dir());
    world.start().await;
    for number in 1..=3 {
        bob.send_rest(&ann, &format!("lost {number}")).await;
    }
    ann.blocks(&cat).await;
    let before = sync(&ann, &mut model).await;
    let by_token = ann.by_token().await;
    world.hub.kill();
    world.database.put_back(&backup);
    if what == PutBack::DataDirectoryToo {
        copy_files(files.path(), &world.sandbox.path("data"));
    }
    world.start().await;
    for number in 1..=3 {
        bob.send_rest(&ann, &format!("after {number}")).await;
    }
    by_token.get("/api/conversations").await.refused(401, "unauthenticated");
    let after = sync(&ann, &mut model).await;
    assert_ne!(after["epoch"], before["epoch"], "{what:?}");
    assert_eq!(after["conversations"][0]["reset"], true, "{what:?}: {after}");
    assert_same(&model, &truth(&ann).await, "ann");
    assert!(model.blocks.is_empty() && model.contacts.contains(&cat.id), "{what:?}: her own lists, too");
    let log = world.hub.log();
    assert!(log.contains("a new epoch begins"), "{log}");
    world.stop().await;
    world.start().await;
    assert_eq!(epoch_of(&ann).await, after["epoch"], "the new epoch is kept");
}

#[tokio::test]
async fn a_restored_backup_starts_a_new_epoch_on_sqlite() {
    a_restored_backup_is_another_epoch(Scratch::sqlite(), PutBack::Database).await;
    a_restored_backup_is_another_epoch(Scratch::sqlite(), PutBack::DataDirectoryToo).await;
}

#[tokio::test]
async fn a_restored_backup_starts_a_new_epoch_on_postgres() {
    a_restored_backup_is_another_epoch(Scratch::postgres(), PutBack::Database).await;
    a_restored_backup_is_another_epoch(Scratch::postgres(), PutBack::DataDirectoryToo).await;
}

#[tokio::test]
async fn a_backup_of_a_killed_run_is_detected() {
    for copy_comes_last in [false, true] {
        let mut world = World::begin(Scratch::sqlite()).await;
        let [ann, bob] = world.people(["ann", "bob"]).await;
        bob.send_rest(&ann, "before").await;
        let before = epoch_of(&ann).await;
        let copy = tempfile::tempdir().unwrap();
        let copy = copy.path().join("copy.db");
        if !copy_comes_last {
            world.execute(&format!("VACUUM INTO '{}'", copy.display()));
        }
        bob.send_rest(&ann, "after").await;
        if copy_comes_last {
            world.execute(&format!("VACUUM INTO '{}'", copy.display()));
        }
        world.hub.kill();
        let path = world.database.url.strip_prefix("sqlite://").unwrap().to_owned();
        for end in ["-wal", "-shm"] {
            fs::remove_file(format!("{path}{end}")).unwrap();
        }
        fs::copy(&copy, &path).unwrap();
        world.start().await;
        assert_eq!(epoch_of(&ann).await == before, copy_comes_last, "a complete copy has the same epoch");
    }
}

async fn a_hub_that_ends_however_keeps_its_epoch(database: Scratch) {
    let mut world = World::begin(database).await;
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let first = epoch_of(&ann).await;
    let mut socket = bob.connect().await;
    for life in 0..6 {
        for number in 0..3 {
            socket.send(&ann, &format!("{life} {number}")).await;
        }
        drop(socket);
        match life % 2 {
            0 => world.hub.kill(),
            _ => world.stop().await,
        }
        world.start().await;
        assert_eq!(epoch_of(&ann).await, first, "life {life}");
        socket = bob.connect().await;
        assert!(!world.hub.log().contains("epoch"), "{}", world.hub.log());
    }
}

#[tokio::test]
async fn the_epoch_survives_every_kind_of_exit_on_sqlite() {
    a_hub_that_ends_however_keeps_its_epoch(Scratch::sqlite()).await;
}

#[tokio::test]
async fn the_epoch_survives_every_kind_of_exit_on_postgres() {
    a_hub_that_ends_however_keeps_its_epoch(Scratch::postgres()).await;
}

async fn the_first_start_of_this_version_takes_the_epoch_over(database: Scratch) {
    let mut world = World::begin(database).await;
    let [ann] = world.people(["ann"]).await;
    let first = epoch_of(&ann).await;
    world.stop().await;
    // The files are as an earlier version left them.
    world.execute("DELETE FROM hub_runs");
    for name in ["history", "history.seal"] {
        fs::remove_file(world.sandbox.path("data").join(name)).unwrap();
    }
    world.start().await;
    assert_eq!(epoch_of(&ann).await, first);
}

#[tokio::test]
async fn an_upgraded_hub_keeps_its_epoch_on_sqlite() {
    the_first_start_of_this_version_takes_the_epoch_over(Scratch::sqlite()).await;
}

#[tokio::test]
async fn an_upgraded_hub_keeps_its_epoch_on_postgres() {
    the_first_start_of_this_version_takes_the_epoch_over(Scratch::postgres()).await;
}

/// A hub with an empty data directory, and the result of the command on it.
async fn with_another_data_directory(database: Scratch, is_another_epoch: bool) {
    let mut world = World::begin(database).await;
    let [ann] = world.people(["ann"]).await;
    let first = epoch_of(&ann).await;
    world.stop().await;
    fs::rename(world.sandbox.path("data"), world.sandbox.path("old")).unwrap();
    world.start().await;
    let second = epoch_of(&ann).await;
    assert_eq!(second != first, is_another_epoch);
    world.stop().await;
    let ended = world.sandbox.run(&["restored"]).await;
    assert!(ended.status.success() && ended.stdout.contains("a new epoch begins"), "{}", ended.stderr);
    world.start().await;
    assert_ne!(epoch_of(&ann).await, second, "the command marks the database as restored");
}

#[tokio::test]
async fn a_missing_data_directory_means_a_backup_on_sqlite() {
    with_another_data_directory(Scratch::sqlite(), true).await;
}

#[tokio::test]
async fn a_missing_data_directory_keeps_the_epoch_on_postgres() {
    with_another_data_directory(Scratch::postgres(), false).await;
}

#[tokio::test]
async fn losing_acknowledged_messages_stops_the_hub() {
    let mut world = World::begin(Scratch::postgres()).await;
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let first = epoch_of(&ann).await;
    bob.send_rest(&ann, "hello").await;
    let mut socket = bob.connect().await;
    // A server took over without the latest changes.
    world.execute("DELETE FROM hub_runs");
    world.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    // The first request finds the connection broken, the second opens another one.
    for _ in 0..2 {
        socket.frame(json!({"type": "private_message", "recipient_id": ann.id, "content": "once more"})).await;
    }
    let status = world.hub.has_ended_well().await;
    assert!(!status && world.hub.log().contains("the database lost acknowledged messages"), "{}", world.hub.log());
    world.start().await;
    assert_ne!(epoch_of(&ann).await, first);
}
