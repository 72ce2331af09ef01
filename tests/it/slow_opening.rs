//! A socket that takes long to open, while much is delivered to its person.

use crate::harness::{Group, Kind, Socket, TestHub, kinds, run};
use diesel::connection::SimpleConnection;
use serde_json::json;

/// More than the mailbox of a session holds.
const MESSAGES: usize = 80;

/// On Postgres alone: on SQLite nothing keeps a snapshot from being read.
#[test]
fn a_socket_that_opens_slowly_gets_all_that_was_delivered_meanwhile() {
    run(Kind::Postgres, &[], async |hub: &mut TestHub| {
        let [ann, bob] = hub.users(["ann", "bob"]).await;
        ann.gets_to_know(&bob).await;
        // To write in a group asks nothing of what is locked.
        let group = Group::of(&ann, &[&bob]).await;
        // Both are here and announced, so that the writer has nothing to do with what is locked.
        let (mut there, mut writer) = (ann.connect().await, bob.connect().await);
        assert!(there.presence_of(&bob).await);
        let mut other = hub.database.postgres();
        other.batch_execute("BEGIN; LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE").unwrap();
        let writing = async {
            hub.wait_for_connections(3).await;
            for number in 0..MESSAGES {
                let content = number.to_string();
                writer.ack(json!({"type": "private_message", "conversation_id": group.id, "content": content})).await;
            }
            other.batch_execute("COMMIT").unwrap();
        };
        let (mut opening, ()) = tokio::join!(Socket::open(&ann), writing);
        let greeting = opening.next().await;
        assert_eq!((&greeting["type"], &greeting["event"]), (&json!("system"), &json!("welcome")));
        let frames = opening.until_message(&(MESSAGES - 1).to_string()).await;
        assert_eq!(frames.iter().filter(|frame| frame["type"] == "private_message").count(), MESSAGES);
        assert!(kinds(&frames).iter().all(|kind| *kind != "system"), "nothing was missed: {frames:?}");
        opening.answers().await;
        there.answers().await;
    });
}
