//! A database that refuses writes: the node reports it, and why, before and after a client tries to
//! write.

use crate::harness::{Reply, TestHub, both_databases, eventually};
use serde_json::json;

/// Makes every change of a table fail as if the database were in this state.
fn fail(hub: &TestHub, what: &str, sqlstate: &str, message: &str) {
    let sql = if hub.database.url().starts_with("sqlite") {
        format!("CREATE TRIGGER trap BEFORE {what} BEGIN SELECT RAISE(ABORT, '{message}'); END")
    } else {
        format!(
            "CREATE OR REPLACE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 RAISE EXCEPTION USING ERRCODE = '{sqlstate}', MESSAGE = '{message}', HINT = 'Check free disk space.';
             END $$;
             CREATE TRIGGER trap BEFORE {what} FOR EACH ROW EXECUTE FUNCTION trap();"
        )
    };
    hub.database.execute(&sql);
}

fn mend(hub: &TestHub, table: &str) {
    let on = if hub.database.url().starts_with("sqlite") { String::new() } else { format!("ON {table}") };
    hub.database.execute(&format!("DROP TRIGGER trap {on}"));
}

const READ_ONLY: (&str, &str) = ("25006", "attempt to write a readonly database");
const FULL: (&str, &str) = ("53100", "database or disk is full");

fn says(reply: &Reply, reason: &str) -> bool {
    reply.status == 503 && reply.json()["reason"] == reason
}

both_databases!(a_node_that_cannot_write_is_not_ready_with_the_reason);
async fn a_node_that_cannot_write_is_not_ready_with_the_reason(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let visitor = hub.visitor();
    assert_eq!(visitor.get("/ready").await.is(200).ok(), json!({"status": "ready"}));
    for ((sqlstate, message), reason) in
        [(READ_ONLY, "the database is read-only"), (FULL, "the database has no space left")]
    {
        fail(hub, "UPDATE ON write_checks", sqlstate, message);
        eventually(reason, async || says(&visitor.get("/ready").await, reason)).await;
        assert!(says(&visitor.get("/health").await, reason));
        ann.get("/api/auth/me").await.is(200);
        mend(hub, "write_checks");
        eventually("the node is ready again", async || visitor.get("/ready").await.status == 200).await;
        visitor.get("/health").await.is(200);
    }
}

both_databases!(a_refused_write_gives_its_reason_and_unreadies_the_node);
async fn a_refused_write_gives_its_reason_and_unreadies_the_node(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let visitor = hub.visitor();
    visitor.get("/ready").await.is(200);
    for ((sqlstate, message), reason) in
        [(FULL, "the database has no space left"), (READ_ONLY, "the database is read-only")]
    {
        fail(hub, "INSERT ON messages", sqlstate, message);
        let refused = ann.post("/api/messages", json!({"recipient_id": bob.id, "content": "hello"})).await;
        assert_eq!(refused.json()["detail"], reason);
        refused.refused(503, "unavailable");
        // The smallest write would still succeed.
        assert!(says(&visitor.get("/ready").await, reason));
        mend(hub, "messages");
        ann.send_rest(&bob, "hello").await;
    }
}
