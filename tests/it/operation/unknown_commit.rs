//! Failed and unanswered COMMITs. After a refused COMMIT the sender gets the reason and retries
//! later, and nobody else is told. After an unanswered COMMIT the result is unknown, and every
//! client is told to sync. Either way a retry makes exactly one message.

use crate::harness::{Cut, Kind, Model, Socket, TestHub, both_databases, run};
use serde_json::{Value, json};

/// A reference that is checked at COMMIT makes the database refuse it.
const SQLITE_TRAP: &str = "
    CREATE TABLE trap (n BIGINT REFERENCES hub (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER trap AFTER INSERT ON messages WHEN NEW.content = 'doubtful'
    BEGIN INSERT INTO trap VALUES (999); END;";

const POSTGRES_TRAP: &str = "
    CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE 'this COMMIT is made to fail'; END $$;
    CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.content = 'doubtful') EXECUTE FUNCTION trap();";

/// The connection ends within COMMIT, so the result is unknown.
const POSTGRES_CUT: &str = "
    CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.content = 'doubtful') EXECUTE FUNCTION trap();";

/// Prevents every file from growing.
const POSTGRES_FULL: &str = "
    CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION USING ERRCODE = '53100',
            MESSAGE = 'could not extend file \"base/1/2\": No space left on device', HINT = 'Check free disk space.';
    END $$;
    CREATE TRIGGER trap AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION trap();";

fn message(recipient_id: i64) -> Value {
    json!({"recipient_id": recipient_id, "content": "doubtful", "client_message_id": "once"})
}

fn frame(recipient_id: i64) -> Value {
    let mut frame = message(recipient_id);
    frame["type"] = json!("private_message");
    frame
}

/// The next frame that this socket receives is `resync`.
async fn expect_resync(socket: &mut Socket) -> Value {
    let frame = socket.next().await;
    assert_eq!((&frame["type"], &frame["event"]), (&json!("system"), &json!("resync")), "{frame}");
    frame
}

both_databases!(a_refused_commit_sends_no_frames_to_others);
async fn a_refused_commit_sends_no_frames_to_others(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let id = ann.gets_to_know(&bob).await;
    let _excused = hub.excuse_errors("a write was refused at COMMIT");
    let is_sqlite = hub.database.url().starts_with("sqlite");
    hub.database.execute(if is_sqlite { SQLITE_TRAP } else { POSTGRES_TRAP });
    let mut sockets = [ann.connect().await, bob.connect().await, cat.connect().await];
    let refused = sockets[0].refused(frame(bob.id)).await;
    assert_eq!(refused, ("unavailable".into(), "the database refused the write; nothing was written".into()));
    ann.post("/api/messages", message(bob.id)).await.refused(503, "unavailable");
    for socket in &mut sockets {
        socket.expect_silence().await;
    }
    assert_eq!(hub.stored()[0], 2, "neither message is stored");
    hub.database.execute(&format!("DROP TRIGGER trap {}", if is_sqlite { "" } else { "ON messages" }));
    let stored = sockets[0].ack(frame(bob.id)).await;
    assert_eq!((&stored["message"]["seq"], stored.get("duplicate")), (&json!(3), None), "its number was not lost");
    assert_eq!(bob.contents(id).await, ["hello", "hello", "doubtful"]);
    sockets[1].next().await;
}

#[test]
fn a_full_disk_is_reported_only_to_the_sender() {
    run(Kind::Postgres, &[], async |hub: &mut TestHub| {
        let [ann, bob] = hub.users(["ann", "bob"]).await;
        let id = ann.gets_to_know(&bob).await;
        hub.database.execute(POSTGRES_FULL);
        let (mut phone, mut bystander) = (ann.connect().await, bob.connect().await);
        for _ in 0..40 {
            let refused = phone.refused(frame(bob.id)).await;
            assert_eq!(refused, ("unavailable".into(), "the database has no space left".into()));
        }
        bystander.expect_silence().await;
        hub.database.execute("DROP TRIGGER trap ON messages");
        phone.ack(frame(bob.id)).await;
        assert_eq!(bob.contents(id).await, ["hello", "hello", "doubtful"]);
        bystander.next().await;
    });
}

#[test]
fn an_unknown_commit_resyncs_all_and_a_retry_sends_once() {
    run(Kind::Postgres, &[], async |hub: &mut TestHub| {
        let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
        let id = ann.gets_to_know(&bob).await;
        let _excused = hub.excuse_errors("it is unknown whether a batch");
        hub.database.execute(POSTGRES_CUT);
        let mut sockets =
            [ann.connect().await, ann.log_in_again().await.connect().await, bob.connect().await, cat.connect().await];
        // Each leaves an unknown result. Every client is told once about those that came together.
        for _ in 0..3 {
            assert_eq!(sockets[0].refused(frame(bob.id)).await.0, "unavailable");
        }
        for socket in &mut sockets {
            expect_resync(socket).await;
            socket.expect_silence().await;
        }
        ann.post("/api/messages", message(bob.id)).await.refused(503, "unavailable");
        for socket in &mut sockets {
            expect_resync(socket).await;
        }
        assert_eq!(hub.stored()[0], 2, "no further message is stored");
        hub.database.execute("DROP TRIGGER trap ON messages");
        let stored = sockets[0].ack(frame(bob.id)).await;
        assert_eq!((&stored["message"]["seq"], stored.get("duplicate")), (&json!(3), None), "its number was not lost");
        let again = ann.post("/api/messages", message(bob.id)).await.is(200).ok();
        assert_eq!((&again["message"], &again["duplicate"]), (&stored["message"], &json!(true)));
        assert_eq!(bob.contents(id).await, ["hello", "hello", "doubtful"]);
    });
}

#[test]
fn sync_finds_an_unconfirmed_commit_and_its_retry_is_a_replay() {
    run(Kind::Postgres, &[], async |hub: &mut TestHub| {
        let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
        let id = ann.gets_to_know(&bob).await;
        let cut = Cut::after_commit_of(&hub.database, b"doubtful");
        hub.set("DATABASE_URL", &cut.url);
        hub.restart();
        let _excused = hub.excuse_errors("it is unknown whether a batch");
        let mut model = Model::default();
        let mut sockets = [ann.connect().await, bob.connect().await, cat.connect().await];
        let mut request = model.ask();
        request["type"] = json!("sync");
        assert!(model.answer(&sockets[1].ack(request).await));

        assert_eq!(sockets[0].refused(frame(bob.id)).await.0, "unavailable");
        assert!(cut.was_cut());
        for socket in &mut sockets {
            model.frame(&expect_resync(socket).await);
        }
        assert!(model.wants_sync());
        let answer = bob.post("/api/sync", model.ask()).await.ok();
        assert!(model.answer(&answer));
        let held = &model.conversations[&id];
        assert_eq!(
            (held.rev, &model.shown(id)[&3]["content"]),
            (4, &json!("doubtful")),
            "only sync returns the message"
        );
        let again = sockets[0].ack(frame(bob.id)).await;
        assert_eq!((&again["duplicate"], &again["message"]["id"]), (&json!(true), &model.shown(id)[&3]["id"]));
        assert_eq!(bob.contents(id).await, ["hello", "hello", "doubtful"]);
        for socket in &mut sockets {
            socket.expect_silence().await;
        }
        // The end of the hub bypasses the proxy, which ends here.
        drop(sockets);
        hub.set("DATABASE_URL", &hub.database.url());
        hub.restart();
    });
}
