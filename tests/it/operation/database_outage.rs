//! A temporary database outage: requests get an error, no socket is closed, and everything works
//! again afterwards.

use crate::harness::{Kind, TestHub, eventually, run};
use serde_json::json;

#[test]
fn a_database_outage_answers_unavailable_and_the_hub_recovers() {
    run(Kind::Postgres, &[], async |hub: &mut TestHub| {
        let [ann, bob] = hub.users(["ann", "bob"]).await;
        let id = ann.gets_to_know(&bob).await;
        let mut phone = ann.connect().await;
        let message = json!({"type": "private_message", "recipient_id": bob.id, "content": "back"});

        // A failed read logs no error, because the reader gets the error. The hub's own write may
        // be in the same batch, or at its COMMIT in that moment.
        let excused = hub.excuse_errors("a batch of ");
        hub.database.go_away();
        for _ in 0..2 {
            ann.get("/api/conversations").await.refused(503, "unavailable");
        }
        assert_eq!(hub.visitor().get("/ready").await.status, 503);
        assert_eq!(phone.refused(message.clone()).await.0, "unavailable");
        assert!(excused.came());
        phone.answers().await;

        hub.database.come_back();
        eventually("the hub is ready again", async || hub.visitor().get("/ready").await.status == 200).await;
        phone.ack(message).await;
        assert_eq!(ann.contents(id).await, ["hello", "hello", "back"]);
    });
}

#[test]
fn health_shows_a_failing_job_until_it_succeeds() {
    run(Kind::Postgres, &[], async |hub: &mut TestHub| {
        let job = async |hub: &TestHub| hub.visitor().get("/health").await.json()["jobs"]["settle_groups"].clone();
        eventually("the job has run", async || job(hub).await["last_success_at"].is_string()).await;
        let excused = hub.excuse_errors("a batch of ");
        hub.database.go_away();
        eventually("the job fails", async || job(hub).await["status"] == "failing").await;
        hub.database.come_back();
        eventually("the job is well again", async || job(hub).await["status"] == "ok").await;
        assert!(job(hub).await["failures"].as_u64().unwrap() > 0, "the failures stay counted");
        drop(excused);
    });
}
